import type { Call, Reply } from '../call.ts';
import { isoDate } from '../http/dates.ts';
import { s3Error } from '../s3-error.ts';
import type { Bucket } from '../state/bucket.ts';
import { type XmlChildren, xmlDocument } from '../xml/xml-writer.ts';
import { type Encode, nameEncoder, pageSize } from './listing.ts';
import { OWNER } from './owner.ts';
import { type ScanPage, scan } from './scan.ts';

/** ListObjects, version 1. */
export async function listObjects(call: Call): Promise<Reply> {
  const marker = call.query.get('marker') ?? '';
  const { bucket, encode, limit, prefix, delimiter, page } = list(call, marker);
  const next = page.truncated && delimiter !== '' ? page.entries.at(-1)?.name : undefined;
  return result(call, [
    ['Name', call.bucket],
    ['Prefix', encode(prefix)],
    ['Marker', encode(marker)],
    ['MaxKeys', limit],
    ['Delimiter', delimiter === '' ? undefined : encode(delimiter)],
    ['IsTruncated', page.truncated],
    ['NextMarker', next === undefined ? undefined : encode(next)],
    ...entries(bucket, page, encode, true),
  ]);
}

/** ListObjectsV2. The token is the last entry of the page before, opaque to clients. */
export async function listObjectsV2(call: Call): Promise<Reply> {
  if (call.query.get('list-type') !== '2') throw s3Error('InvalidArgument', 'list-type must be 2');
  const token = call.query.get('continuation-token');
  const startAfter = call.query.get('start-after');
  const after = token === undefined ? (startAfter ?? '') : decodeToken(token);
  const { bucket, encode, limit, prefix, delimiter, page } = list(call, after);
  const last = page.truncated ? page.entries.at(-1)?.name : undefined;
  return result(call, [
    ['Name', call.bucket],
    ['Prefix', encode(prefix)],
    ['StartAfter', startAfter === undefined ? undefined : encode(startAfter)],
    ['ContinuationToken', token],
    ['NextContinuationToken', last === undefined ? undefined : Buffer.from(last, 'latin1').toString('base64url')],
    ['KeyCount', page.entries.length],
    ['MaxKeys', limit],
    ['Delimiter', delimiter === '' ? undefined : encode(delimiter)],
    ['IsTruncated', page.truncated],
    ...entries(bucket, page, encode, call.query.get('fetch-owner') === 'true'),
  ]);
}

function decodeToken(token: string): string {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length === 0 || bytes.toString('base64url') !== token) {
    throw s3Error('InvalidArgument', 'The continuation token provided is incorrect');
  }
  return bytes.toString('latin1');
}

function list(call: Call, after: string) {
  const bucket = call.state.bucket(call.bucket);
  const prefix = call.query.get('prefix') ?? '';
  const delimiter = call.query.get('delimiter') ?? '';
  const limit = pageSize(call, 'max-keys');
  const page = scan(bucket.objects, { prefix, delimiter, after, limit });
  return { bucket, prefix, delimiter, limit, page, encode: nameEncoder(call) };
}

function result(call: Call, children: XmlChildren): Reply {
  const encoding = ['EncodingType', call.query.get('encoding-type')] as const;
  return { status: 200, xml: xmlDocument('ListBucketResult', [...children, encoding]) };
}

function entries(bucket: Bucket, page: ScanPage, encode: Encode, withOwner: boolean): XmlChildren {
  return page.entries.map(({ name, isPrefix }) => {
    const object = isPrefix ? undefined : bucket.objects.get(name);
    if (object === undefined) return ['CommonPrefixes', [['Prefix', encode(name)]]] as const;
    const fields: XmlChildren = [
      ['Key', encode(name)],
      ['LastModified', isoDate(object.modified)],
      ['ETag', `"${object.etag}"`],
      ['ChecksumAlgorithm', object.checksum?.algorithm],
      ['ChecksumType', object.checksum?.type],
      ['Size', object.size],
      ['Owner', withOwner ? OWNER : undefined],
      ['StorageClass', 'STANDARD'],
    ];
    return ['Contents', fields] as const;
  });
}
