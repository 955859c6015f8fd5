import { z } from 'zod';

const HOUR_MS = 3_600_000;
const UNITS_MS: Readonly<Record<string, number>> = { h: HOUR_MS, d: 24 * HOUR_MS, y: 365 * 24 * HOUR_MS };

/** `12h`, `30d`, `7y` in milliseconds. */
export function periodMs(text: string): number {
  return Number(text.slice(0, -1)) * (UNITS_MS[text.slice(-1)] ?? Number.NaN);
}

/** As {@link periodMs}, as it stands in the configuration. */
export const Period = z
  .string()
  .regex(/^[1-9][0-9]{0,4}[hdy]$/, 'give a period such as 12h, 30d or 7y')
  .transform(periodMs);

/** Locks of images: keys of `[server NAME]` and `[lsu SERVER/NAME]`, the latter winning. Documented in docs/vast.md. */
export const wormSchema = {
  /** How long an image is locked from its completion on; without it none is. */
  worm_retention: Period.optional(),
  /** Shortest lock that may be asked for. */
  worm_minimum: Period.optional(),
  /** Longest lock that may be asked for. */
  worm_maximum: Period.optional(),
  /** Whether somebody with a special right may lift a lock. */
  worm_mode: z.enum(['governance', 'compliance']).optional(),
} as const;
