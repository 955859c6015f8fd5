import { percentDecode } from '../keys.ts';
import { s3Error } from '../s3-error.ts';

/** What a request line names, path style. */
export interface Target {
  /** Decoded path, a binary string. */
  readonly path: string;
  /** '' for the service. */
  readonly bucket: string;
  /** Binary string, '' for a bucket. */
  readonly key: string;
  /** Decoded names and values, binary strings, in the order sent. */
  readonly query: readonly (readonly [name: string, value: string])[];
}

const MAX_PARAMETERS = 100;

/** Take a request target apart; InvalidURI when an escape is malformed or a parameter is repeated. */
export function parseTarget(url: string): Target {
  const mark = url.indexOf('?');
  const path = decode(mark < 0 ? url : url.slice(0, mark));
  if (!path.startsWith('/')) throw s3Error('InvalidURI');
  const slash = path.indexOf('/', 1);
  if (slash === 1) throw s3Error('InvalidBucketName');
  const pairs = mark < 0 ? [] : url.slice(mark + 1).split('&', MAX_PARAMETERS + 1);
  if (pairs.length > MAX_PARAMETERS) throw s3Error('InvalidURI');
  const query = pairs
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = equals < 0 ? pair : pair.slice(0, equals);
      return [decodeForm(name), equals < 0 ? '' : decodeForm(pair.slice(equals + 1))] as const;
    });
  if (new Set(query.map(([name]) => name)).size < query.length) throw s3Error('InvalidURI');
  return {
    path,
    bucket: slash < 0 ? path.slice(1) : path.slice(1, slash),
    key: slash < 0 ? '' : path.slice(slash + 1),
    query,
  };
}

function decode(raw: string): string {
  const decoded = percentDecode(raw);
  if (decoded === undefined) throw s3Error('InvalidURI');
  return decoded;
}

function decodeForm(raw: string): string {
  return decode(raw.replaceAll('+', ' '));
}
