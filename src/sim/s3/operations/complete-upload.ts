import { createHash } from 'node:crypto';
import { receiveXml } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { CHECKSUM_ALGORITHMS, type Checksum, checksumHeader } from '../checksum/algorithms.ts';
import { objectChecksum } from '../checksum/combine.ts';
import { checksumElements } from '../checksum/reply.ts';
import { keyToText } from '../keys.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_OBJECT_BYTES, MAX_PARTS } from '../settings.ts';
import type { OpenUpload } from '../state/bucket.ts';
import type { StoredObject, StoredPart } from '../state/records.ts';
import { childText, type XmlElement } from '../xml/xml-parser.ts';
import { xmlDocument } from '../xml/xml-writer.ts';
import { lockOfNew } from './object-lock.ts';
import { checkConditionalWrite } from './put-object.ts';
import { versionHeader } from './requested-version.ts';

/** A part as the request names it. */
interface NamedPart {
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
  /** Additional checksums by algorithm, base64. */
  readonly checksums: ReadonlyMap<string, string>;
}

/**
 * Publish an upload: check every named part and make the object of them. Asking again after
 * success, with the same parts and while the object is still there, succeeds again, as on AWS.
 */
export async function completeMultipartUpload(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const id = call.query.get('uploadId') ?? '';
  if (bucket.uploads.get(id) === undefined && bucket.objects.get(call.key)?.upload?.id !== id) {
    throw s3Error('NoSuchUpload');
  }
  const named = namedParts(await receiveXml(call));
  const done = bucket.objects.get(call.key);
  if (bucket.uploads.get(id) === undefined && done !== undefined && wasMadeOf(done, id, named)) {
    return completed(call, done);
  }
  const open = bucket.upload(id, call.key);
  checkConditionalWrite(call, bucket);
  const parts = checkParts(call, open, named);
  const assembled = assemble(call, open, parts, await wholeChecksum(call, open, parts));
  // The checksum took a moment, in which a part may have been sent again or the upload ended.
  if (checkParts(call, bucket.upload(id, call.key), named).some((part, index) => part !== parts[index])) {
    throw s3Error('InvalidPart');
  }
  checkConditionalWrite(call, bucket);
  const object = { ...assembled, ...lockOfNew(call, bucket, open.upload.lock) };
  return completed(call, bucket.completeUpload(id, object));
}

function completed(call: Call, object: StoredObject): Reply {
  const xml = xmlDocument('CompleteMultipartUploadResult', [
    ['Location', `http://${call.header('host') ?? ''}/${call.bucket}/${encodeURI(keyToText(object.key))}`],
    ['Bucket', call.bucket],
    ['Key', keyToText(object.key)],
    ['ETag', `"${object.etag}"`],
    ...checksumElements(object.checksum, true),
  ]);
  return { status: 200, headers: versionHeader(object), xml };
}

function wasMadeOf(object: StoredObject, id: string, named: readonly NamedPart[]): boolean {
  const { upload } = object;
  if (upload?.id !== id || upload.parts.length !== named.length) return false;
  return upload.parts.every(([number, etag], i) => named[i]?.number === number && named[i].etag === etag);
}

function namedParts(root: XmlElement | undefined): NamedPart[] {
  if (root?.name !== 'CompleteMultipartUpload') throw s3Error('MalformedXML');
  if (root.children.length === 0 || root.children.length > MAX_PARTS) throw s3Error('MalformedXML');
  return root.children.map((child) => {
    const number = childText(child, 'PartNumber')?.trim() ?? '';
    const etag = childText(child, 'ETag')?.trim();
    if (child.name !== 'Part' || !/^\d{1,9}$/.test(number) || etag === undefined) throw s3Error('MalformedXML');
    const checksums = new Map<string, string>();
    for (const algorithm of CHECKSUM_ALGORITHMS) {
      const value = childText(child, `Checksum${algorithm}`)?.trim();
      if (value !== undefined) checksums.set(algorithm, value);
    }
    return { number: Number(number), etag: etag.replace(/^"(.*)"$/, '$1'), checksums };
  });
}

/** The stored parts that the request names, in order; throws what is wrong with them. */
function checkParts(call: Call, { parts }: OpenUpload, named: readonly NamedPart[]): StoredPart[] {
  if (named.some(({ number }, index) => index > 0 && number <= (named[index - 1]?.number ?? 0))) {
    throw s3Error('InvalidPartOrder');
  }
  const stored = named.map(({ number, etag, checksums }) => {
    const part = parts.get(number);
    if (part === undefined || part.etag !== etag) throw s3Error('InvalidPart');
    const checksum = part.checksum;
    if (checksum !== undefined && (checksums.get(checksum.algorithm) ?? checksum.value) !== checksum.value) {
      throw s3Error('InvalidPart');
    }
    return part;
  });
  if (stored.slice(0, -1).some((part) => part.size < call.settings.minPartBytes)) throw s3Error('EntityTooSmall');
  const size = stored.reduce((sum, part) => sum + part.size, 0);
  if (size > MAX_OBJECT_BYTES) throw s3Error('EntityTooLarge');
  const claimed = call.header('x-amz-mp-object-size');
  if (claimed !== undefined && claimed !== String(size)) {
    throw s3Error(
      'InvalidRequest',
      `The x-amz-mp-object-size ${claimed} does not match the size of the parts, ${size}`,
    );
  }
  return stored;
}

async function wholeChecksum(
  call: Call,
  { upload }: OpenUpload,
  parts: readonly StoredPart[],
): Promise<Checksum | undefined> {
  if (upload.checksum === undefined) return undefined;
  const { algorithm, type } = upload.checksum;
  // Parts may come from a run of the simulator in another checksum mode.
  if (parts.some((part) => part.checksum?.algorithm !== algorithm)) return undefined;
  const values = parts.map((part) => ({ size: part.size, value: part.checksum?.value ?? '' }));
  const checksum = await objectChecksum(algorithm, type, values);
  const claimed = call.header(checksumHeader(algorithm));
  if (claimed !== undefined && claimed !== checksum.value) {
    throw s3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
  }
  return checksum;
}

function assemble(
  call: Call,
  { upload }: OpenUpload,
  parts: readonly StoredPart[],
  checksum: Checksum | undefined,
): StoredObject {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part.etag, 'hex');
  return {
    key: upload.key,
    size: parts.reduce((sum, part) => sum + part.size, 0),
    modified: call.now,
    etag: `${md5.digest('hex')}-${parts.length}`,
    segments: parts.flatMap((part) => part.segments),
    checksum,
    headers: upload.headers,
    metadata: upload.metadata,
    tags: upload.tags,
    upload: { id: upload.id, parts: parts.map((part) => [part.number, part.etag]) },
  };
}
