import { createHmac, randomBytes } from 'node:crypto';
import type { ClusterState } from '../../cluster/cluster-state.ts';
import { parseLifetime } from './lifetime.ts';
import { sameText } from './same-text.ts';

type Kind = 'access' | 'refresh';

interface Claims {
  readonly token_type: Kind;
  /** Seconds since the epoch. */
  readonly exp: number;
  readonly jti: string;
  readonly username: string;
  readonly generation: number;
}

const HEADER = encode({ alg: 'HS256', typ: 'JWT' });

/** A new pair of JSON web tokens; they live as long as the settings of VMS say. */
export function issueTokens(state: ClusterState, username: string, now: number): { access: string; refresh: string } {
  const { settings } = state;
  const issue = (kind: Kind, lifetime: string) => {
    const claims: Claims = {
      token_type: kind,
      // Fractions let a test use a life of less than a second.
      exp: (now + (parseLifetime(lifetime) ?? 0)) / 1000,
      jti: randomBytes(16).toString('hex'),
      username,
      generation: settings.token_generation,
    };
    const signed = `${HEADER}.${encode(claims)}`;
    return `${signed}.${seal(settings.signing_secret, signed)}`;
  };
  return {
    access: issue('access', settings.access_token_lifetime),
    refresh: issue('refresh', settings.refresh_token_lifetime),
  };
}

/** The user that a token was issued for; undefined when it is forged, expired, recalled or of the other kind. */
export function tokenUser(state: ClusterState, token: string, kind: Kind, now: number): string | undefined {
  const [header = '', body = '', signature = ''] = token.split('.');
  if (!sameText(seal(state.settings.signing_secret, `${header}.${body}`), signature)) return undefined;
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Claims;
  const alive = claims.exp * 1000 > now && claims.generation === state.settings.token_generation;
  return alive && claims.token_type === kind ? claims.username : undefined;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function seal(secret: string, signed: string): string {
  return createHmac('sha256', secret).update(signed).digest('base64url');
}
