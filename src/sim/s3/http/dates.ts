/** S3 times have whole seconds, in listings as in headers. */

/** `Sat, 21 Nov 2026 04:10:19 GMT` */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** `2026-11-21T04:10:19.000Z` */
export function isoDate(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString();
}
