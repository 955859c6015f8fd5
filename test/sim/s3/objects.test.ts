import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { codeOf, PLAIN, raw, sdk, sim, statusOf } from './support.ts';

for (const [settings, config] of [
  ['default settings', {}],
  ['WHEN_REQUIRED', PLAIN],
] as const) {
  t.test(`buckets, ${settings}`, async (t) => {
    const s3 = await sim(t, { clock: () => Date.now() });
    const client = sdk(t, s3, config);
    t.same((await client.send(new ListBucketsCommand({}))).Buckets, []);
    await client.send(new CreateBucketCommand({ Bucket: 'one' }));
    const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const;
    await client.send(new CreateBucketCommand({ Bucket: 'a.second', CreateBucketConfiguration }));
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    t.same(
      Buckets.map(({ Name }) => Name),
      ['a.second', 'one'],
    );
    t.equal(await codeOf(client.send(new CreateBucketCommand({ Bucket: 'one' }))), 'BucketAlreadyOwnedByYou');
    t.equal((await client.send(new HeadBucketCommand({ Bucket: 'a.second' }))).BucketRegion, 'eu-west-1');
    t.equal(await codeOf(client.send(new HeadBucketCommand({ Bucket: 'none' }))), 'NotFound');
    t.equal((await client.send(new GetBucketLocationCommand({ Bucket: 'a.second' }))).LocationConstraint, 'eu-west-1');
    t.equal((await client.send(new GetBucketVersioningCommand({ Bucket: 'one' }))).Status, undefined);
    await client.send(new PutObjectCommand({ Bucket: 'one', Key: 'k', Body: new Uint8Array() }));
    t.equal(await codeOf(client.send(new DeleteBucketCommand({ Bucket: 'one' }))), 'BucketNotEmpty');
    await client.send(new DeleteObjectCommand({ Bucket: 'one', Key: 'k' }));
    await client.send(new DeleteBucketCommand({ Bucket: 'one' }));
    t.equal(await codeOf(client.send(new DeleteBucketCommand({ Bucket: 'one' }))), 'NoSuchBucket');
    t.equal(
      await codeOf(client.send(new PutObjectCommand({ Bucket: 'one', Key: 'k', Body: new Uint8Array() }))),
      'NoSuchBucket',
    );
  });

  t.test(`objects, ${settings}`, async (t) => {
    const s3 = await sim(t);
    const client = sdk(t, s3, config);
    const Bucket = 'bucket';
    await client.send(new CreateBucketCommand({ Bucket }));
    const Key = 'a b/ü+&<>"\'%\u{1F600}';
    const put = await client.send(
      new PutObjectCommand({
        Bucket,
        Key,
        Body: '0123456789',
        Metadata: { one: '1', two: 'zwei zwei' },
        ContentType: 'text/plain',
        CacheControl: 'no-store',
        Tagging: 'a=b&c=d%20e',
      }),
    );
    t.equal(put.ETag, '"781e5e245d69b566979b86e28d23f2c7"', 'the MD5 of the body');
    const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
    t.match(head, {
      ContentLength: 10,
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      ETag: put.ETag,
      Metadata: { one: '1', two: 'zwei zwei' },
      AcceptRanges: 'bytes',
    });
    const get = async (options: object) => {
      const reply = await client.send(new GetObjectCommand({ Bucket, Key, ...options }));
      return { ...reply, text: await reply.Body?.transformToString() };
    };
    t.match(await get({}), { text: '0123456789', ContentLength: 10, TagCount: 2 });
    t.match(await get({ Range: 'bytes=2-4' }), { text: '234', ContentLength: 3, ContentRange: 'bytes 2-4/10' });
    t.match(await get({ Range: 'bytes=7-' }), { text: '789', ContentRange: 'bytes 7-9/10' });
    t.match(await get({ Range: 'bytes=7-100' }), { text: '789' });
    t.match(await get({ Range: 'bytes=-3' }), { text: '789' });
    t.match(await get({ Range: 'bytes=-100' }), { text: '0123456789', ContentRange: 'bytes 0-9/10' });
    for (const Range of ['bytes=x', 'bytes=4-2', 'bytes=0-1,3-4', 'bytes=-'])
      t.match(await get({ Range }), { text: '0123456789' }, `${Range} is no range`);
    t.equal(await codeOf(get({ Range: 'bytes=10-' })), 'InvalidRange');
    t.equal(await codeOf(get({ Range: 'bytes=-0' })), 'InvalidRange');
    t.match(await raw(s3, { path: '/bucket/none', headers: {} }), { status: 404, code: 'NoSuchKey' });
    t.equal(await codeOf(client.send(new HeadObjectCommand({ Bucket, Key: 'none' }))), 'NotFound');

    t.match(await get({ IfMatch: put.ETag }), { text: '0123456789' });
    t.equal(await codeOf(get({ IfMatch: '"other"' })), 'PreconditionFailed');
    t.match(await get({ IfNoneMatch: '"other"' }), { text: '0123456789' });
    t.equal(await statusOf(get({ IfNoneMatch: put.ETag })), 304);
    t.equal(await statusOf(get({ IfModifiedSince: head.LastModified })), 304);
    t.equal(await codeOf(get({ IfUnmodifiedSince: new Date(0) })), 'PreconditionFailed');
    t.match(await get({ IfMatch: put.ETag, IfUnmodifiedSince: new Date(0) }), { text: '0123456789' });

    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'new', IfNoneMatch: '*' }));
    t.match(await get({}), { text: 'new', Metadata: {}, TagCount: undefined }, 'conditional writes are ignored');

    await client.send(new PutObjectCommand({ Bucket, Key: 'empty', Body: new Uint8Array() }));
    const empty = await client.send(new GetObjectCommand({ Bucket, Key: 'empty' }));
    t.match(empty, {
      ContentLength: 0,
      ETag: '"d41d8cd98f00b204e9800998ecf8427e"',
      ContentType: 'application/octet-stream',
    });
    t.equal(await empty.Body?.transformToString(), '');

    t.match(await client.send(new DeleteObjectCommand({ Bucket, Key })), { $metadata: { httpStatusCode: 204 } });
    t.match(
      await client.send(new DeleteObjectCommand({ Bucket, Key })),
      { $metadata: { httpStatusCode: 204 } },
      'twice',
    );
  });

  t.test(`DeleteObjects, ${settings}`, async (t) => {
    const s3 = await sim(t);
    const client = sdk(t, s3, config);
    const Bucket = 'bucket';
    await client.send(new CreateBucketCommand({ Bucket }));
    for (const Key of ['a', 'b&ü', 'c'])
      await client.send(new PutObjectCommand({ Bucket, Key, Body: new Uint8Array() }));
    const remove = (Keys: string[], options = {}) =>
      client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: Keys.map((Key) => ({ Key })), ...options } }));
    const { Deleted = [], Errors = [] } = await remove(['a', 'b&ü', 'none', 'k'.repeat(1025)]);
    t.same(
      Deleted.map(({ Key }) => Key),
      ['a', 'b&ü', 'none'],
    );
    t.match(Errors, [{ Code: 'KeyTooLongError' }]);
    t.match(await remove(['c'], { Quiet: true }), { Deleted: undefined, Errors: undefined });
    t.equal(await codeOf(client.send(new GetObjectCommand({ Bucket, Key: 'c' }))), 'NoSuchKey');
    t.equal(await codeOf(remove(Array.from({ length: 1001 }, (_, i) => `k${i}`))), 'MalformedXML');
    t.equal(await codeOf(remove([])), 'MalformedXML');
  });

  t.test(`CopyObject, ${settings}`, async (t) => {
    const s3 = await sim(t);
    const client = sdk(t, s3, config);
    const Bucket = 'bucket';
    await client.send(new CreateBucketCommand({ Bucket }));
    await client.send(new CreateBucketCommand({ Bucket: 'other' }));
    const put = await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'from ü',
        Body: 'data',
        Metadata: { a: '1' },
        ContentType: 'text/x',
        Tagging: 't=1',
      }),
    );
    const CopySource = `bucket/${encodeURIComponent('from ü')}`;
    const copy = await client.send(new CopyObjectCommand({ Bucket: 'other', Key: 'to', CopySource }));
    t.equal(copy.CopyObjectResult?.ETag, put.ETag);
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'from ü' }));
    const there = await client.send(new GetObjectCommand({ Bucket: 'other', Key: 'to' }));
    t.match(there, { Metadata: { a: '1' }, ContentType: 'text/x', TagCount: 1 });
    t.equal(await there.Body?.transformToString(), 'data', 'outlives its source');

    const self = { Bucket: 'other', Key: 'to', CopySource: '/other/to' };
    t.equal(await codeOf(client.send(new CopyObjectCommand(self))), 'InvalidRequest');
    await client.send(
      new CopyObjectCommand({
        ...self,
        MetadataDirective: 'REPLACE',
        Metadata: { b: '2' },
        TaggingDirective: 'REPLACE',
        Tagging: 'u=2&v=3',
      }),
    );
    const replaced = await client.send(new GetObjectCommand({ Bucket: 'other', Key: 'to' }));
    t.strictSame(replaced.Metadata, { b: '2' });
    t.match(replaced, { ContentType: 'binary/octet-stream', TagCount: 2 });
    t.equal(await replaced.Body?.transformToString(), 'data');

    const failing = (options: object) => codeOf(client.send(new CopyObjectCommand({ ...self, Key: 'x', ...options })));
    t.equal(await failing({ CopySource: 'other/none' }), 'NoSuchKey');
    t.equal(await failing({ CopySource: 'none/none' }), 'NoSuchBucket');
    t.equal(await failing({ CopySource: 'other' }), 'InvalidArgument');
    t.equal(await failing({ CopySource: 'other/to?versionId=1' }), 'NoSuchVersion');
    t.equal(await failing({ CopySourceIfMatch: '"no"' }), 'PreconditionFailed');
    t.equal(await failing({ CopySourceIfNoneMatch: put.ETag }), 'PreconditionFailed');
    t.equal(await failing({ MetadataDirective: 'SWAP' }), 'InvalidArgument');
  });

  t.test(`tagging, ${settings}`, async (t) => {
    const s3 = await sim(t);
    const client = sdk(t, s3, config);
    const at = { Bucket: 'bucket', Key: 'key' };
    await client.send(new CreateBucketCommand(at));
    const put = await client.send(new PutObjectCommand({ ...at, Body: 'data' }));
    t.same((await client.send(new GetObjectTaggingCommand(at))).TagSet, []);
    const tag = (TagSet: { Key: string; Value: string }[]) =>
      client.send(new PutObjectTaggingCommand({ ...at, Tagging: { TagSet } }));
    await tag([
      { Key: 'ü', Value: '<&>' },
      { Key: 'b', Value: '' },
    ]);
    t.same((await client.send(new GetObjectTaggingCommand(at))).TagSet, [
      { Key: 'ü', Value: '<&>' },
      { Key: 'b', Value: '' },
    ]);
    t.equal((await client.send(new HeadObjectCommand(at))).ETag, put.ETag);
    t.equal(
      await codeOf(
        tag([
          { Key: 'a', Value: '' },
          { Key: 'a', Value: '' },
        ]),
      ),
      'InvalidTag',
    );
    t.equal(await codeOf(tag([{ Key: 'k'.repeat(129), Value: '' }])), 'InvalidTag');
    t.equal(await codeOf(tag([{ Key: 'k', Value: 'v'.repeat(257) }])), 'InvalidTag');
    t.equal(await codeOf(tag(Array.from({ length: 11 }, (_, i) => ({ Key: `${i}`, Value: '' })))), 'InvalidTag');
    await client.send(new DeleteObjectTaggingCommand(at));
    t.same((await client.send(new GetObjectTaggingCommand(at))).TagSet, []);
    t.equal(await (await client.send(new GetObjectCommand(at))).Body?.transformToString(), 'data');
    t.equal(await codeOf(client.send(new GetObjectTaggingCommand({ ...at, Key: 'none' }))), 'NoSuchKey');
  });
}

t.test('conditional writes where they are honoured', async (t) => {
  const s3 = await sim(t, { conditionalWrites: '412' });
  const client = sdk(t, s3);
  const at = { Bucket: 'bucket', Key: 'key' };
  await client.send(new CreateBucketCommand(at));
  const put = (options: object) => client.send(new PutObjectCommand({ ...at, Body: 'x', ...options }));
  t.equal(await codeOf(put({ IfMatch: '"x"' })), 'NoSuchKey');
  const { ETag } = await put({ IfNoneMatch: '*' });
  t.equal(await codeOf(put({ IfNoneMatch: '*' })), 'PreconditionFailed');
  t.equal(await codeOf(put({ IfMatch: '"x"' })), 'PreconditionFailed');
  t.equal(await codeOf(put({ IfMatch: ETag })), 'none');
  const race = await Promise.all(
    [1, 2, 3].map((i) =>
      codeOf(
        client.send(
          new PutObjectCommand({ Bucket: 'bucket', Key: 'raced', Body: `${i}`.repeat(300_000), IfNoneMatch: '*' }),
        ),
      ),
    ),
  );
  t.same(race.sort(), ['PreconditionFailed', 'PreconditionFailed', 'none'], 'one of several writers wins');
});

t.test('bucket requests that are wrong', async (t) => {
  const s3 = await sim(t, { region: 'us-east-1' });
  const create = (name: string, body?: string) =>
    raw(s3, { method: 'PUT', path: `/${name}`, ...(body === undefined ? {} : { body }) });
  for (const name of ['ab', 'UPPER', 'a..b', '-ab', 'ab-', 'a_b', 'x'.repeat(64), '..', 'a%00b']) {
    t.match(await create(name), { status: 400, code: 'InvalidBucketName' }, name);
  }
  t.match(await create('abc', '<Nonsense/>'), { status: 400, code: 'MalformedXML' });
  t.match(await create('abc', 'nonsense'), { status: 400, code: 'MalformedXML' });
  t.match(await create('abc', '\u{1F600}'), { status: 400, code: 'MalformedXML' });
  const elsewhere =
    '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>';
  t.match(await create('abc', elsewhere), { status: 400, code: 'IllegalLocationConstraintException' });
  t.match(await create('abc', elsewhere.replace('eu-west-1', 'us-east-1')), { status: 200 });
});
