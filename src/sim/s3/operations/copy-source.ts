import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Call } from '../call.ts';
import { type Checksum, type ChecksumAlgorithm, checksumAlgorithm, startChecksum } from '../checksum/algorithms.ts';
import { checkConditions } from '../http/conditions.ts';
import { percentDecode } from '../keys.ts';
import { s3Error } from '../s3-error.ts';
import type { Bucket } from '../state/bucket.ts';
import type { Segment, StoredObject } from '../state/records.ts';
import { storedObject } from './requested-version.ts';

const READ_BYTES = 1024 * 1024;

/** What is copied, and where it lies. */
export interface CopySource {
  readonly bucket: Bucket;
  readonly object: StoredObject;
}

/** The object that `x-amz-copy-source` names, once the copy conditions hold. */
export function copySource(call: Call): CopySource {
  const [path = '', ...query] = (call.header('x-amz-copy-source') ?? '').split('?');
  const version = query.length === 0 ? undefined : /^versionId=([A-Za-z0-9]+)$/.exec(query.join('?'))?.[1];
  if (query.length > 0 && version === undefined) throw s3Error('InvalidArgument', 'Copy Source is not valid.');
  const decoded = percentDecode(path)?.replace(/^\//, '') ?? '';
  const slash = decoded.indexOf('/');
  if (slash <= 0 || slash === decoded.length - 1) {
    throw s3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  }
  const bucket = call.state.bucket(decoded.slice(0, slash));
  const object = storedObject(bucket, decoded.slice(slash + 1), version);
  const state = checkConditions(
    {
      ifMatch: call.header('x-amz-copy-source-if-match'),
      ifNoneMatch: call.header('x-amz-copy-source-if-none-match'),
      ifModifiedSince: call.header('x-amz-copy-source-if-modified-since'),
      ifUnmodifiedSince: call.header('x-amz-copy-source-if-unmodified-since'),
    },
    object,
  );
  if (state === 'not-modified') throw s3Error('PreconditionFailed');
  return { bucket, object };
}

/** The algorithm that a header names; in the modes that know no checksums there is none. */
export function requestedAlgorithm(call: Call): ChecksumAlgorithm | undefined {
  const name = call.header('x-amz-checksum-algorithm');
  if (name === undefined || call.settings.checksumMode !== 'full') return undefined;
  const algorithm = checksumAlgorithm(name);
  if (algorithm === undefined) throw s3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  return algorithm;
}

/** Digest stored bytes. The caller holds a reference to them. */
export async function digestSegments(
  call: Call,
  segments: readonly Segment[],
  algorithm: ChecksumAlgorithm | undefined,
): Promise<{ md5: string; checksum: Checksum | undefined }> {
  const md5 = createHash('md5');
  const running = algorithm === undefined ? undefined : await startChecksum(algorithm);
  for (const { blob, offset, length } of segments) {
    const path = call.state.blobs.path(blob);
    const options = { start: offset, end: offset + length - 1, highWaterMark: READ_BYTES, signal: call.signal };
    for await (const piece of createReadStream(path, options) as AsyncIterable<Uint8Array>) {
      md5.update(piece);
      running?.update(piece);
    }
  }
  const value = running?.digest().toString('base64');
  return {
    md5: md5.digest('hex'),
    checksum: algorithm === undefined || value === undefined ? undefined : { algorithm, type: 'FULL_OBJECT', value },
  };
}
