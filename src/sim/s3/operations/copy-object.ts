import type { Call, Reply } from '../call.ts';
import { checksumElements } from '../checksum/reply.ts';
import { isoDate } from '../http/dates.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_BODY_BYTES } from '../settings.ts';
import type { Attributes, StoredObject } from '../state/records.ts';
import { xmlDocument } from '../xml/xml-writer.ts';
import { requestAttributes, requestMetadata } from './attributes.ts';
import { type CopySource, copySource, digestSegments, requestedAlgorithm } from './copy-source.ts';
import { lockOfNew, requestedLock } from './object-lock.ts';
import { checkConditionalWrite } from './put-object.ts';
import { versionHeader } from './requested-version.ts';

/**
 * Copy an object. No bytes move: both objects name the same blobs. As on AWS the copy is a plain
 * object, so the ETag of a copied multipart object is the MD5 of its bytes.
 */
export async function copyObject(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const { object: source, ...from } = copySource(call);
  if (call.header('x-amz-copy-disposition') !== undefined) return renameObject(call, { object: source, ...from });
  if (source.size > MAX_BODY_BYTES) {
    throw s3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size: ${MAX_BODY_BYTES}`,
    );
  }
  const attributes = { ...copyAttributes(call, source), ...lockOfNew(call, bucket, requestedLock(call, bucket)) };
  if (call.header('x-amz-metadata-directive') !== 'REPLACE' && bucket.objects.get(call.key) === source) {
    throw s3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
    );
  }
  checkConditionalWrite(call, bucket);
  call.state.checkRoom(call.bucket, source.size, bucket.objects.get(call.key) === undefined ? 1 : 0);
  const { segments, size } = source;
  call.state.blobs.retain(segments);
  try {
    const { etag, checksum } = await copyDigests(call, source);
    checkConditionalWrite(call, bucket);
    const object = { key: call.key, size, modified: call.now, etag, segments, checksum, ...attributes };
    const headers = versionHeader(bucket.putObject(object));
    const fields = [['LastModified', isoDate(call.now)] as const, ['ETag', `"${etag}"`] as const];
    const xml = xmlDocument('CopyObjectResult', [...fields, ...checksumElements(checksum, true)]);
    return { status: 200, headers, xml };
  } finally {
    call.state.blobs.release(segments);
  }
}

/**
 * `x-amz-copy-disposition: replace`, an extension of VAST's: the object moves with all that belongs to it,
 * ETag included. Nothing about it can be changed on the way.
 */
function renameObject(call: Call, { bucket: from, object }: CopySource): Reply {
  if (call.header('x-amz-copy-disposition') !== 'replace')
    throw s3Error('InvalidArgument', 'Unknown copy disposition.');
  const acl = call.headerNames.some((name) => name === 'x-amz-acl' || name.startsWith('x-amz-grant-'));
  if (acl || directive(call, 'x-amz-metadata-directive')) {
    throw s3Error('InvalidRequest', 'A rename changes neither metadata nor access.');
  }
  const to = call.state.bucket(call.bucket);
  if (to.objects.get(call.key) === object) throw s3Error('InvalidRequest', 'An object cannot be renamed to itself.');
  checkConditionalWrite(call, to);
  to.putObject({ ...object, key: call.key });
  from.deleteObject(object.key, call.now);
  const fields = [['LastModified', isoDate(object.modified)] as const, ['ETag', `"${object.etag}"`] as const];
  return { status: 200, xml: xmlDocument('CopyObjectResult', fields) };
}

function copyAttributes(call: Call, source: StoredObject): Attributes {
  const replaceTags = directive(call, 'x-amz-tagging-directive');
  const fromRequest = requestAttributes(call);
  const tags = replaceTags ? fromRequest.tags : source.tags;
  if (directive(call, 'x-amz-metadata-directive')) return { ...requestMetadata(call), tags };
  return { headers: source.headers, metadata: source.metadata, tags };
}

/** True for REPLACE. */
function directive(call: Call, name: string): boolean {
  const value = call.header(name) ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') throw s3Error('InvalidArgument', `Unknown ${name}.`);
  return value === 'REPLACE';
}

/** Digests that the source has already are not computed again. */
async function copyDigests(call: Call, source: StoredObject): Promise<Pick<StoredObject, 'etag' | 'checksum'>> {
  const known = source.checksum?.type === 'FULL_OBJECT' ? source.checksum : undefined;
  const algorithm = requestedAlgorithm(call) ?? source.checksum?.algorithm;
  if (source.upload === undefined && known?.algorithm === algorithm) return { etag: source.etag, checksum: known };
  const { md5, checksum } = await digestSegments(call, source.segments, algorithm);
  return { etag: md5, checksum };
}
