/** `[DD [HH:[MM:]]]ss`, as VMS writes durations, in milliseconds; undefined when it is none. */
export function parseLifetime(text: string): number | undefined {
  const [, days = '0', hours = '0', minutes = '0', seconds = ''] =
    /^(?:(\d{1,5}) )?(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9})$/.exec(text) ?? [];
  if (seconds === '') return undefined;
  return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 7 * 86_400,
  M: 30 * 86_400,
  Y: 365 * 86_400,
};

/** `30d`, the form of API tokens' expiry (units Y M w d h m s), in milliseconds; undefined when it is none. */
export function parseExpiry(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,6})([YMwdhms])$/.exec(text) ?? [];
  const seconds = UNITS[unit];
  return seconds === undefined ? undefined : Number(count) * seconds * 1000;
}
