import type { Call, Reply } from '../call.ts';
import { checksumElements } from '../checksum/reply.ts';
import { isoDate } from '../http/dates.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_BODY_BYTES } from '../settings.ts';
import type { Attributes, StoredObject } from '../state/records.ts';
import { xmlDocument } from '../xml/xml-writer.ts';
import { requestAttributes, requestMetadata } from './attributes.ts';
import { copySource, digestSegments, requestedAlgorithm } from './copy-source.ts';
import { checkConditionalWrite } from './put-object.ts';

/**
 * Copy an object. No bytes move: both objects name the same blobs. As on AWS the copy is a plain
 * object, so the ETag of a copied multipart object is the MD5 of its bytes.
 */
export async function copyObject(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const source = copySource(call);
  if (source.size > MAX_BODY_BYTES) {
    throw s3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size: ${MAX_BODY_BYTES}`,
    );
  }
  const attributes = copyAttributes(call, source);
  if (call.header('x-amz-metadata-directive') !== 'REPLACE' && bucket.objects.get(call.key) === source) {
    throw s3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
    );
  }
  checkConditionalWrite(call, bucket);
  const { segments, size } = source;
  call.state.blobs.retain(segments);
  try {
    const { etag, checksum } = await copyDigests(call, source);
    checkConditionalWrite(call, bucket);
    bucket.putObject({ key: call.key, size, modified: call.now, etag, segments, checksum, ...attributes });
    const fields = [['LastModified', isoDate(call.now)] as const, ['ETag', `"${etag}"`] as const];
    return { status: 200, xml: xmlDocument('CopyObjectResult', [...fields, ...checksumElements(checksum, true)]) };
  } finally {
    call.state.blobs.release(segments);
  }
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
