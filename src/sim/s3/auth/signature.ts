/**
 * AWS Signature Version 4, as the public "Authenticating requests" chapter of the Amazon S3 API
 * reference describes it.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { percentEncode } from '../keys.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const EMPTY_SHA256 = createHash('sha256').digest('hex');

export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256')
    .update(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    .digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest();
}

/** `<date>/<region>/s3/aws4_request`. */
export interface Scope {
  /** YYYYMMDD */
  readonly date: string;
  readonly region: string;
}

export function scopeText(scope: Scope): string {
  return `${scope.date}/${scope.region}/s3/aws4_request`;
}

export function signingKey(secret: string, scope: Scope): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, scope.date), scope.region), 's3'), 'aws4_request');
}

export function sign(key: Buffer, stringToSign: string): string {
  return hmac(key, stringToSign).toString('hex');
}

/** Compare hexadecimal digests in constant time. */
export function sameDigest(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));
}

export interface Canonical {
  readonly method: string;
  /** Decoded, binary string. */
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly signedHeaders: readonly string[];
  readonly header: (name: string) => string | undefined;
  readonly payloadHash: string;
}

/** The canonical request, one character per byte. */
export function canonicalRequest(request: Canonical): string {
  const query = request.query
    .map(([name, value]) => [percentEncode(name, false), percentEncode(value, false)] as const)
    .sort(([a, x], [b, y]) => (a < b || (a === b && x < y) ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = request.signedHeaders.map(
    (name) => `${name}:${(request.header(name) ?? '').trim().replace(/\s+/g, ' ')}\n`,
  );
  return [
    request.method,
    percentEncode(request.path, true),
    query,
    headers.join(''),
    request.signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n');
}

export function stringToSign(amzDate: string, scope: Scope, canonical: string): string {
  return [ALGORITHM, amzDate, scopeText(scope), sha256Hex(canonical)].join('\n');
}
