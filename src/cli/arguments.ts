import { InvalidArgumentError } from 'commander';
import { parseDuration, parseSize } from '../units.ts';

/** `64M` in bytes, for commander. */
export function sizeArgument(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Give a size such as 4096, 64M or 1.5G.');
  return bytes;
}

const MIN_RATE = 2 ** 20;

/** `50M` bytes a second, for commander. */
export function rateArgument(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined || bytes < MIN_RATE) throw new InvalidArgumentError('Give a size such as 50M, 1M at least.');
  return bytes;
}

/** `24h` in milliseconds, for commander. */
export function durationArgument(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) throw new InvalidArgumentError('Give a duration such as 30m, 24h or 7d.');
  return milliseconds;
}

/** A whole number from 0 on, for commander. */
export function countArgument(text: string): number {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(count)) throw new InvalidArgumentError('Give a whole number from 0 on.');
  return count;
}

/** `2027-01-31` (midnight UTC) or `2027-01-31T12:00:00Z` in milliseconds since the epoch, for commander. */
export function dateArgument(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(time)) throw new InvalidArgumentError('Give a date such as 2027-01-31 or 2027-01-31T12:00:00Z.');
  return time;
}

/** A TCP port, for commander. */
export function portArgument(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError('Give a port from 0 to 65535.');
  return port;
}
