import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { codeOf, sdk, sim } from './support.ts';

const Bucket = 'versioned';

async function versioned(t: Test): Promise<S3Client> {
  const client = sdk(t, await sim(t));
  await client.send(new CreateBucketCommand({ Bucket }));
  return client;
}

const enable = (client: S3Client) =>
  client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));

async function put(client: S3Client, Key: string, Body: string): Promise<string | undefined> {
  return (await client.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId;
}

async function get(client: S3Client, Key: string, VersionId?: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...(VersionId ? { VersionId } : {}) }));
  return (await Body?.transformToString()) ?? '';
}

/** `key=id` of all versions, `key-id` of markers, in the order listed; ids by their place in `ids`. */
async function listed(client: S3Client, ids: readonly (string | undefined)[], more: object = {}): Promise<string[]> {
  const found: string[] = [];
  for (let from = {}; ; ) {
    const page = await client.send(new ListObjectVersionsCommand({ Bucket, ...more, ...from }));
    const all = [
      ...(page.Versions ?? []).map((v) => ({ ...v, sign: '=' })),
      ...(page.DeleteMarkers ?? []).map((v) => ({ ...v, sign: '-' })),
    ];
    for (const { Key, VersionId, sign, IsLatest } of all) {
      const at = ids.indexOf(VersionId);
      found.push(`${Key}${sign}${at < 0 ? VersionId : at}${IsLatest ? '*' : ''}`);
    }
    if (!page.IsTruncated) return found.sort();
    from = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
  }
}

t.test('writes and deletions make versions', async (t) => {
  const client = await versioned(t);
  t.equal((await client.send(new GetBucketVersioningCommand({ Bucket }))).Status, undefined);
  t.equal(await put(client, 'a', 'before'), undefined, 'no version without versioning');
  await enable(client);
  t.equal((await client.send(new GetBucketVersioningCommand({ Bucket }))).Status, 'Enabled');
  const ids = [await put(client, 'a', 'one'), await put(client, 'a', 'two'), await put(client, 'b', 'other')];
  t.equal(await get(client, 'a'), 'two');
  t.equal(await get(client, 'a', ids[0]), 'one');
  t.equal(await get(client, 'a', 'null'), 'before', 'the one from before is called null');
  t.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).VersionId, ids[1]);
  const gone = await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
  t.equal(gone.DeleteMarker, true);
  ids.push(gone.VersionId);
  t.strictSame(await listed(client, ids), ['a-3*', 'a=0', 'a=1', 'a=null', 'b=2*']);
  t.strictSame(await listed(client, ids, { MaxKeys: 1 }), ['a-3*', 'a=0', 'a=1', 'a=null', 'b=2*'], 'page by page');
  t.strictSame(await listed(client, ids, { Prefix: 'b' }), ['b=2*']);
  t.equal(await codeOf(get(client, 'a')), 'NoSuchKey');
  t.equal(await codeOf(get(client, 'a', ids[3])), 'MethodNotAllowed');
  t.equal(await codeOf(get(client, 'a', 'ffff')), 'NoSuchVersion');
  const objects = await client.send(new ListObjectsV2Command({ Bucket }));
  t.strictSame(
    objects.Contents?.map(({ Key }) => Key),
    ['b'],
  );
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'a', VersionId: ids[3] ?? '' }));
  t.equal(await get(client, 'a'), 'two', 'without its marker it is there again');
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'a', VersionId: ids[1] ?? '' }));
  t.equal(await get(client, 'a'), 'one', 'the version before comes forth');
  await client.send(new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/a?versionId=null` }));
  t.equal(await get(client, 'c'), 'before', 'a copy of a version');
  const Status = 'Suspended';
  const suspend = new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } });
  t.equal(await codeOf(client.send(suspend)), 'InvalidBucketState');
});

t.test('a bulk deletion of versions empties the bucket for good', async (t) => {
  const client = await versioned(t);
  await enable(client);
  const ids = [await put(client, 'a', '1'), await put(client, 'a', '2')];
  const marked = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'a' }, { Key: 'x' }] } }),
  );
  const markers =
    marked.Deleted?.map(({ Key, DeleteMarkerVersionId }) => ({ Key, VersionId: DeleteMarkerVersionId })) ?? [];
  t.equal(markers.length, 2, 'also for what was never there');
  t.equal(await codeOf(client.send(new DeleteBucketCommand({ Bucket }))), 'BucketNotEmpty');
  const Objects = [...ids.map((VersionId) => ({ Key: 'a', VersionId })), ...markers];
  const { Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
  t.equal(Errors, undefined);
  t.strictSame(await listed(client, []), []);
  await client.send(new DeleteBucketCommand({ Bucket }));
});

t.test('tags change a version and make none', async (t) => {
  const client = await versioned(t);
  await enable(client);
  const id = await put(client, 'a', '1');
  const Tagging = { TagSet: [{ Key: 'k', Value: 'v' }] };
  await client.send(new PutObjectTaggingCommand({ Bucket, Key: 'a', Tagging }));
  t.strictSame(await listed(client, [id]), ['a=0*']);
  t.strictSame((await client.send(new GetObjectTaggingCommand({ Bucket, Key: 'a' }))).TagSet, Tagging.TagSet);
});
