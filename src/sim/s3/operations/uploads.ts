import { randomBytes } from 'node:crypto';
import type { Call, Reply } from '../call.ts';
import type { ChecksumType } from '../checksum/algorithms.ts';
import { isoDate } from '../http/dates.ts';
import { keyToText } from '../keys.ts';
import { s3Error } from '../s3-error.ts';
import type { StoredUpload } from '../state/records.ts';
import { type XmlChildren, xmlDocument } from '../xml/xml-writer.ts';
import { requestAttributes } from './attributes.ts';
import { requestedAlgorithm } from './copy-source.ts';
import { nameEncoder, pageSize } from './listing.ts';
import { requestedLock } from './object-lock.ts';
import { OWNER } from './owner.ts';

/** Uploads made in the same millisecond still get ascending ids. */
let sequence = 0;

function newUploadId(now: number): string {
  sequence = (sequence + 1) % 0x1000000;
  const order = now.toString(16).padStart(12, '0') + sequence.toString(16).padStart(6, '0');
  return order + randomBytes(8).toString('hex');
}

export async function createMultipartUpload(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const checksum = uploadChecksum(call);
  const id = newUploadId(call.now);
  const lock = requestedLock(call, bucket);
  const attributes = { ...requestAttributes(call), ...(lock ? { lock } : {}) };
  bucket.createUpload({ id, key: call.key, initiated: call.now, checksum, ...attributes });
  const headers: Record<string, string> =
    checksum === undefined
      ? {}
      : { 'x-amz-checksum-algorithm': checksum.algorithm, 'x-amz-checksum-type': checksum.type };
  const xml = xmlDocument('InitiateMultipartUploadResult', [
    ['Bucket', call.bucket],
    ['Key', keyToText(call.key)],
    ['UploadId', id],
  ]);
  return { status: 200, headers, xml };
}

/** Which checksums parts carry, and what they make of the object (CRC-64 knows no composite, SHA no whole). */
function uploadChecksum(call: Call): StoredUpload['checksum'] {
  const algorithm = requestedAlgorithm(call);
  if (algorithm === undefined) return undefined;
  const fallback: ChecksumType = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const type = call.header('x-amz-checksum-type') ?? fallback;
  const fits = algorithm.startsWith('SHA') ? type === 'COMPOSITE' : algorithm !== 'CRC64NVME' || type === 'FULL_OBJECT';
  if ((type !== 'COMPOSITE' && type !== 'FULL_OBJECT') || !fits) {
    throw s3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    );
  }
  return { algorithm, type };
}

export async function abortMultipartUpload(call: Call): Promise<Reply> {
  call.state.bucket(call.bucket).abortUpload(call.query.get('uploadId') ?? '', call.key);
  return { status: 204 };
}

/** Uploads neither completed nor aborted, by key and then by age. */
export async function listMultipartUploads(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const encode = nameEncoder(call);
  const limit = pageSize(call, 'max-uploads');
  const prefix = call.query.get('prefix') ?? '';
  const keyMarker = call.query.get('key-marker') ?? '';
  const idMarker = call.query.get('upload-id-marker') ?? '';
  const isAfterMarker = ({ key, id }: StoredUpload) =>
    key > keyMarker || (key === keyMarker && idMarker !== '' && id > idMarker);
  const found = [...bucket.uploads.values()]
    .map(({ upload }) => upload)
    .filter((upload) => upload.key.startsWith(prefix) && isAfterMarker(upload))
    .sort((a, b) => (a.key < b.key || (a.key === b.key && a.id < b.id) ? -1 : 1));
  const page = found.slice(0, limit);
  const truncated = limit > 0 && found.length > limit;
  const last = truncated ? page.at(-1) : undefined;
  const uploads = page.map((upload) => ['Upload', uploadFields(upload, encode(upload.key))] as const);
  const xml = xmlDocument('ListMultipartUploadsResult', [
    ['Bucket', call.bucket],
    ['KeyMarker', encode(keyMarker)],
    ['UploadIdMarker', idMarker],
    ['NextKeyMarker', last === undefined ? undefined : encode(last.key)],
    ['NextUploadIdMarker', last?.id],
    ['Prefix', encode(prefix)],
    ['EncodingType', call.query.get('encoding-type')],
    ['MaxUploads', limit],
    ['IsTruncated', truncated],
    ...uploads,
  ]);
  return { status: 200, xml };
}

function uploadFields(upload: StoredUpload, key: string): XmlChildren {
  return [
    ['Key', key],
    ['UploadId', upload.id],
    ['Initiator', OWNER],
    ['Owner', OWNER],
    ['StorageClass', 'STANDARD'],
    ['Initiated', isoDate(upload.initiated)],
    ['ChecksumAlgorithm', upload.checksum?.algorithm],
    ['ChecksumType', upload.checksum?.type],
  ];
}
