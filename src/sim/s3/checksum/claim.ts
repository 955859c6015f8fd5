import { s3Error } from '../s3-error.ts';
import { CHECKSUM_ALGORITHMS, CHECKSUM_BYTES, type ChecksumAlgorithm, checksumHeader } from './algorithms.ts';

/** A checksum that a client sends for its body. */
export interface ChecksumClaim {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; undefined when it follows as a trailing header. */
  readonly value: string | undefined;
}

/** The body checksum that the headers announce, undefined when they announce none. */
export function checksumClaim(header: (name: string) => string | undefined): ChecksumClaim | undefined {
  const claims: ChecksumClaim[] = [];
  const trailers = (header('x-amz-trailer') ?? '').toLowerCase().split(/\s*,\s*/);
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = header(checksumHeader(algorithm));
    if (value !== undefined) claims.push({ algorithm, value: validChecksum(algorithm, value) });
    else if (trailers.includes(checksumHeader(algorithm))) claims.push({ algorithm, value: undefined });
  }
  if (claims.length > 1) {
    throw s3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const [claim] = claims;
  if (claim === undefined && header('x-amz-sdk-checksum-algorithm') !== undefined) {
    throw s3Error(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
  return claim;
}

/** The value again, when it is base64 of the right length. */
export function validChecksum(algorithm: ChecksumAlgorithm, value: string): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== CHECKSUM_BYTES[algorithm] || bytes.toString('base64') !== value) {
    throw s3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
  return value;
}
