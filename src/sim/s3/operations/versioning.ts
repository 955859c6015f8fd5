import { receiveXml } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { isoDate } from '../http/dates.ts';
import { s3Error } from '../s3-error.ts';
import type { Bucket } from '../state/bucket.ts';
import { isMarker, type StoredVersion, versionIdOf } from '../state/versions.ts';
import { childText } from '../xml/xml-parser.ts';
import { type XmlChildren, xmlDocument } from '../xml/xml-writer.ts';
import { type Encode, nameEncoder, pageSize } from './listing.ts';
import { OWNER } from './owner.ts';
import { scan } from './scan.ts';

/** '' as long as versioning was never turned on. */
export async function getBucketVersioning(call: Call): Promise<Reply> {
  const { versioning } = call.state.bucket(call.bucket).protection;
  return { status: 200, xml: xmlDocument('VersioningConfiguration', versioning ? [['Status', 'Enabled']] : '') };
}

/** On VAST versioning, once on, cannot be suspended. */
export async function putBucketVersioning(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const root = await receiveXml(call);
  if (root?.name !== 'VersioningConfiguration') throw s3Error('MalformedXML');
  const status = childText(root, 'Status');
  if (status !== 'Enabled' && status !== 'Suspended') throw s3Error('MalformedXML');
  if (status === 'Suspended') throw s3Error('InvalidBucketState', 'Versioning cannot be suspended.');
  if (!bucket.protection.versioning) bucket.protect({ ...bucket.protection, versioning: true });
  return { status: 200 };
}

interface Entry {
  readonly name: string;
  /** Undefined for a common prefix. */
  readonly version?: StoredVersion;
}

/** All versions and delete markers, by key and then from the newest on. */
export async function listObjectVersions(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const encode = nameEncoder(call);
  const limit = pageSize(call, 'max-keys');
  const [prefix, delimiter] = [call.query.get('prefix') ?? '', call.query.get('delimiter') ?? ''];
  const [keyMarker, idMarker] = [call.query.get('key-marker') ?? '', call.query.get('version-id-marker')];
  if (idMarker !== undefined && keyMarker === '') {
    throw s3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.');
  }
  const entries = collect(bucket, { prefix, delimiter, keyMarker, idMarker, limit: limit + 1 });
  const page = entries.slice(0, limit);
  const last = limit > 0 && entries.length > limit ? page.at(-1) : undefined;
  const xml = xmlDocument('ListVersionsResult', [
    ['Name', call.bucket],
    ['Prefix', encode(prefix)],
    ['KeyMarker', encode(keyMarker)],
    ['VersionIdMarker', idMarker ?? ''],
    ['NextKeyMarker', last && encode(last.name)],
    ['NextVersionIdMarker', last?.version && versionIdOf(last.version)],
    ['MaxKeys', limit],
    ['Delimiter', delimiter === '' ? undefined : encode(delimiter)],
    ['IsTruncated', last !== undefined],
    ['EncodingType', call.query.get('encoding-type')],
    ...page.map((entry) => element(bucket, entry, encode)),
  ]);
  return { status: 200, xml };
}

interface Wanted {
  readonly prefix: string;
  readonly delimiter: string;
  readonly keyMarker: string;
  readonly idMarker: string | undefined;
  readonly limit: number;
}

function collect(bucket: Bucket, { prefix, delimiter, keyMarker, idMarker, limit }: Wanted): Entry[] {
  const entries: Entry[] = [];
  if (idMarker !== undefined && keyMarker.startsWith(prefix)) {
    const versions = bucket.versions(keyMarker);
    const at = versions.findIndex((version) => versionIdOf(version) === idMarker);
    // Ids ascend with time: when the version is gone meanwhile, the older ones follow.
    const rest = at < 0 ? versions.filter((version) => versionIdOf(version) < idMarker) : versions.slice(at + 1);
    entries.push(...rest.map((version) => ({ name: keyMarker, version })));
  }
  const keys = { next: (from: string, inclusive: boolean) => bucket.nextVersioned(from, inclusive) };
  for (const { name, isPrefix } of scan(keys, { prefix, delimiter, after: keyMarker, limit }).entries) {
    if (isPrefix) entries.push({ name });
    else entries.push(...bucket.versions(name).map((version) => ({ name, version })));
    if (entries.length >= limit) break;
  }
  return entries;
}

function element(bucket: Bucket, { name, version }: Entry, encode: Encode): XmlChildren[number] {
  if (version === undefined) return ['CommonPrefixes', [['Prefix', encode(name)]]];
  const common: XmlChildren = [
    ['Key', encode(name)],
    ['VersionId', versionIdOf(version)],
    ['IsLatest', bucket.versions(name)[0] === version],
    ['LastModified', isoDate(version.modified)],
    ['Owner', OWNER],
  ];
  if (isMarker(version)) return ['DeleteMarker', common];
  return ['Version', [...common, ['ETag', `"${version.etag}"`], ['Size', version.size], ['StorageClass', 'STANDARD']]];
}
