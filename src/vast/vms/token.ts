import { z } from 'zod';

/** Default life of an access token, VMS settings. */
const DEFAULT_LIFE_MS = 3_600_000;
/** Part of its life after which a token is renewed, before it can expire under a request. */
const RENEW_AT = 0.8;
const MAX_TOKEN = 16_384;

/** `POST /token/` and `/token/refresh/`; a refresh may answer without a new refresh token. */
export const TokenPair = z.looseObject({
  access: z.string().min(1).max(MAX_TOKEN),
  refresh: z.string().min(1).max(MAX_TOKEN).optional(),
});
export type TokenPair = z.output<typeof TokenPair>;

const Claims = z.looseObject({ exp: z.number(), iat: z.number().optional() });

/**
 * After how many milliseconds a token should be renewed. Its own claims say how long it lives, by the cluster's clock alone:
 * clocks that differ do no harm. A token that cannot be read lives for the documented hour.
 */
export function renewAfter(token: string): number {
  return Math.max(0, lifeOf(token)) * RENEW_AT;
}

function lifeOf(token: string): number {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { exp, iat } = Claims.parse(JSON.parse(payload));
    return iat === undefined ? DEFAULT_LIFE_MS : (exp - iat) * 1000;
  } catch {
    return DEFAULT_LIFE_MS;
  }
}
