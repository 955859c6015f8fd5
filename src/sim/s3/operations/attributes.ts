import type { Call } from '../call.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_METADATA_BYTES } from '../settings.ts';
import type { Attributes, StoredObject } from '../state/records.ts';

const META = 'x-amz-meta-';
const STORED_HEADERS = ['cache-control', 'content-disposition', 'content-language', 'content-type', 'expires'];
const MAX_TAGS = 10;
const MAX_TAG_KEY = 128;
const MAX_TAG_VALUE = 256;

export type Tag = readonly [key: string, value: string];

/** What the headers of a request attach to the object that it makes. */
export function requestAttributes(call: Call): Attributes {
  return { ...requestMetadata(call), tags: headerTags(call.header('x-amz-tagging')) };
}

/** Content headers and user metadata, without tags. */
export function requestMetadata(call: Call): Pick<Attributes, 'headers' | 'metadata'> {
  const headers: Record<string, string> = {};
  for (const name of STORED_HEADERS) {
    const value = call.header(name);
    if (value !== undefined) headers[name] = value;
  }
  // aws-chunked describes the transfer, not the object.
  const encodings = (call.header('content-encoding') ?? '').split(',').map((encoding) => encoding.trim());
  const kept = encodings.filter((encoding) => encoding !== '' && encoding !== 'aws-chunked');
  if (kept.length > 0) headers['content-encoding'] = kept.join(',');

  const metadata: Record<string, string> = {};
  let bytes = 0;
  for (const name of call.headerNames) {
    if (!name.startsWith(META)) continue;
    const value = call.header(name) ?? '';
    metadata[name.slice(META.length)] = value;
    bytes += name.length - META.length + value.length;
  }
  if (bytes > MAX_METADATA_BYTES) throw s3Error('MetadataTooLarge');
  return { headers, metadata };
}

/** Headers that describe a stored object on GET and HEAD. */
export function attributeHeaders(object: StoredObject): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'binary/octet-stream', ...object.headers };
  for (const [name, value] of Object.entries(object.metadata)) headers[META + name] = value;
  if (object.tags.length > 0) headers['x-amz-tagging-count'] = String(object.tags.length);
  return headers;
}

/** Tags in the form of a query string, as `x-amz-tagging` carries them. */
function headerTags(header: string | undefined): readonly Tag[] {
  if (header === undefined) return [];
  return checkTags([...new URLSearchParams(header)]);
}

/** The same tags when they keep the rules. Lengths are counted in UTF-16 units. */
export function checkTags(tags: readonly Tag[]): readonly Tag[] {
  if (tags.length > MAX_TAGS) throw s3Error('InvalidTag', 'Object tags cannot be greater than 10');
  for (const [key, value] of tags) {
    if (key.length < 1 || key.length > MAX_TAG_KEY)
      throw s3Error('InvalidTag', 'The TagKey you have provided is invalid');
    if (value.length > MAX_TAG_VALUE) throw s3Error('InvalidTag', 'The TagValue you have provided is invalid');
  }
  if (new Set(tags.map(([key]) => key)).size < tags.length) {
    throw s3Error('InvalidTag', 'Cannot provide multiple Tags with the same key');
  }
  return tags;
}
