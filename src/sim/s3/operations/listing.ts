import type { Call } from '../call.ts';
import { keyToText, percentEncode } from '../keys.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_PAGE } from '../settings.ts';

/** How a listing writes a key: as text, or percent-encoded when the client asked for that. */
export type Encode = (key: string) => string;

export function nameEncoder(call: Call): Encode {
  const type = call.query.get('encoding-type');
  if (type === undefined) return keyToText;
  if (type !== 'url') throw s3Error('InvalidArgument', 'Invalid Encoding Method specified in Request');
  return (key) => percentEncode(key, true);
}

/** The asked-for page size, at most 1000 (also when nothing was asked for). */
export function pageSize(call: Call, parameter: string): number {
  const value = call.query.get(parameter) ?? String(MAX_PAGE);
  if (!/^\d{1,10}$/.test(value) || Number(value) > 0x7fffffff) {
    throw s3Error('InvalidArgument', `Argument ${parameter} must be an integer between 0 and 2147483647`);
  }
  return Math.min(Number(value), MAX_PAGE);
}

/** A numeric marker parameter, 0 when absent. */
export function numberMarker(call: Call, parameter: string): number {
  const value = call.query.get(parameter) ?? '0';
  if (!/^\d{1,10}$/.test(value)) throw s3Error('InvalidArgument', `${parameter} must be an integer`);
  return Number(value);
}
