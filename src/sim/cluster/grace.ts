const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** A grace period such as `90m` or `7d`, milliseconds; undefined when it is none. */
export function parseGrace(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const ms = UNIT_MS[unit];
  return ms === undefined ? undefined : Number(count) * ms;
}
