import { receiveBlob } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { type Checksum, checksumHeader } from '../checksum/algorithms.ts';
import { checksumClaim } from '../checksum/claim.ts';
import { checksumElements } from '../checksum/reply.ts';
import { isoDate } from '../http/dates.ts';
import { sliceSegments } from '../http/ranges.ts';
import { keyToText } from '../keys.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_BODY_BYTES, MAX_PARTS } from '../settings.ts';
import type { OpenUpload } from '../state/bucket.ts';
import type { StoredObject } from '../state/records.ts';
import { xmlDocument } from '../xml/xml-writer.ts';
import { copySource, digestSegments } from './copy-source.ts';
import { numberMarker, pageSize } from './listing.ts';
import { OWNER } from './owner.ts';

function partNumber(call: Call): number {
  const text = call.query.get('partNumber') ?? '';
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > MAX_PARTS) {
    throw s3Error('InvalidArgument', `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`);
  }
  return number;
}

export async function uploadPart(call: Call): Promise<Reply> {
  const number = partNumber(call);
  const bucket = call.state.bucket(call.bucket);
  const id = call.query.get('uploadId') ?? '';
  const open = bucket.upload(id, call.key);
  checkAlgorithm(call, open);
  call.state.checkRoom(call.bucket, call.body.length(), 0);
  const received = await receiveBlob(call, open.upload.checksum?.algorithm);
  try {
    const { segments, size, md5: etag, checksum } = received;
    bucket.putPart(id, call.key, { number, size, modified: call.now, etag, segments, checksum });
    return { status: 200, headers: { ETag: `"${etag}"`, ...partChecksumHeader(checksum) } };
  } finally {
    call.state.blobs.release(received.segments);
  }
}

function partChecksumHeader(checksum: Checksum | undefined): Record<string, string> {
  return checksum === undefined ? {} : { [checksumHeader(checksum.algorithm)]: checksum.value };
}

/** A part's checksum must be of the kind that its upload was made for; an upload made for none takes any. */
function checkAlgorithm(call: Call, { upload }: OpenUpload): void {
  if (call.settings.checksumMode !== 'full') return;
  const claim = checksumClaim(call.header);
  if (claim === undefined || upload.checksum === undefined || claim.algorithm === upload.checksum.algorithm) return;
  const expected = upload.checksum.algorithm.toLowerCase();
  throw s3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${claim.algorithm.toLowerCase()}`,
  );
}

/** A part whose bytes are those of an object, or of a range of it. No bytes move. */
export async function uploadPartCopy(call: Call): Promise<Reply> {
  const number = partNumber(call);
  const bucket = call.state.bucket(call.bucket);
  const id = call.query.get('uploadId') ?? '';
  const algorithm = bucket.upload(id, call.key).upload.checksum?.algorithm;
  const source = copySource(call).object;
  const range = copyRange(call, source);
  const size = range.last - range.first + 1;
  if (size > MAX_BODY_BYTES) throw s3Error('EntityTooLarge');
  call.state.checkRoom(call.bucket, size, 0);
  const segments = sliceSegments(source.segments, range);
  call.state.blobs.retain(segments);
  try {
    const { md5: etag, checksum } = await digestSegments(call, segments, algorithm);
    bucket.putPart(id, call.key, { number, size, modified: call.now, etag, segments, checksum });
    const fields = [['LastModified', isoDate(call.now)] as const, ['ETag', `"${etag}"`] as const];
    return { status: 200, xml: xmlDocument('CopyPartResult', [...fields, ...checksumElements(checksum, false)]) };
  } finally {
    call.state.blobs.release(segments);
  }
}

/** Both ends are needed and must lie inside the source; without the header it is the whole source. */
function copyRange(call: Call, source: StoredObject): { first: number; last: number } {
  const header = call.header('x-amz-copy-source-range');
  if (header === undefined) return { first: 0, last: source.size - 1 };
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first === undefined || range.first > range.last) {
    throw s3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  }
  if (range.last >= source.size) {
    throw s3Error('InvalidArgument', `Range specified is not valid for source object of size: ${source.size}`);
  }
  return range;
}

export async function listParts(call: Call): Promise<Reply> {
  const id = call.query.get('uploadId') ?? '';
  const { upload, parts } = call.state.bucket(call.bucket).upload(id, call.key);
  const limit = pageSize(call, 'max-parts');
  const marker = numberMarker(call, 'part-number-marker');
  const found = [...parts.values()].filter((part) => part.number > marker).sort((a, b) => a.number - b.number);
  const page = found.slice(0, limit);
  const truncated = limit > 0 && found.length > limit;
  const items = page.map((part) => {
    const fields = [
      ['PartNumber', part.number] as const,
      ['LastModified', isoDate(part.modified)] as const,
      ['ETag', `"${part.etag}"`] as const,
      ['Size', part.size] as const,
      ...checksumElements(part.checksum, false),
    ];
    return ['Part', fields] as const;
  });
  const xml = xmlDocument('ListPartsResult', [
    ['Bucket', call.bucket],
    ['Key', keyToText(call.key)],
    ['UploadId', id],
    ['Initiator', OWNER],
    ['Owner', OWNER],
    ['StorageClass', 'STANDARD'],
    ['PartNumberMarker', marker],
    ['NextPartNumberMarker', page.at(-1)?.number ?? 0],
    ['MaxParts', limit],
    ['IsTruncated', truncated],
    ['ChecksumAlgorithm', upload.checksum?.algorithm],
    ['ChecksumType', upload.checksum?.type],
    ...items,
  ]);
  return { status: 200, xml };
}
