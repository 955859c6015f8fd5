import { createHash, randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { codeOf, PLAIN, raw, sdk, sim } from './support.ts';

const Bucket = 'bucket';
const md5 = (data: Uint8Array) => createHash('md5').update(data);
const multipartEtag = (parts: readonly Uint8Array[]) =>
  `"${md5(Buffer.concat(parts.map((part) => md5(part).digest()))).digest('hex')}-${parts.length}"`;

async function begin(client: S3Client, Key: string, options = {}) {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...options }));
  const at = { Bucket, Key, UploadId };
  return {
    at,
    put: async (PartNumber: number, Body: Uint8Array) => {
      const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand({ ...at, PartNumber, Body }));
      return { PartNumber, ETag, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) };
    },
    complete: (Parts: { PartNumber: number; ETag: string | undefined }[], more = {}) =>
      client.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts }, ...more })),
  };
}

for (const [settings, config] of [
  ['default settings', {}],
  ['WHEN_REQUIRED', PLAIN],
] as const) {
  t.test(`an upload from begin to end, ${settings}`, async (t) => {
    const s3 = await sim(t);
    const client = sdk(t, s3, config);
    await client.send(new CreateBucketCommand({ Bucket }));
    const upload = await begin(client, 'key ü', { Metadata: { a: 'b' }, ContentType: 'text/x', Tagging: 't=1' });
    const [a, b, c] = [randomBytes(200_000), randomBytes(1024), randomBytes(1)] as const;
    const bodies = [a, b, c];
    const last = await upload.put(30, c);
    await upload.put(2, randomBytes(5));
    const parts = [await upload.put(2, a), await upload.put(17, b), last];
    t.equal(await codeOf(client.send(new HeadObjectCommand(upload.at))), 'NotFound', 'nothing to be seen yet');
    const listed = await client.send(new ListPartsCommand(upload.at));
    t.match(listed.Parts, [{ PartNumber: 2, Size: 200_000 }, { PartNumber: 17 }, { PartNumber: 30, Size: 1 }]);
    const done = await upload.complete(parts);
    t.equal(done.ETag, multipartEtag(bodies));
    const got = await client.send(new GetObjectCommand(upload.at));
    t.match(got, { ETag: done.ETag, Metadata: { a: 'b' }, ContentType: 'text/x', TagCount: 1, ContentLength: 201_025 });
    t.ok(Buffer.concat(bodies).equals(Buffer.from((await got.Body?.transformToByteArray()) ?? [])));
    const range = await client.send(new GetObjectCommand({ ...upload.at, Range: 'bytes=199999-200001' }));
    const middle = Buffer.from((await range.Body?.transformToByteArray()) ?? []);
    t.ok(Buffer.concat(bodies).subarray(199_999, 200_002).equals(middle), 'a range over the border of two parts');
    t.equal(await codeOf(client.send(new ListPartsCommand(upload.at))), 'NoSuchUpload');
    t.equal(await codeOf(client.send(new AbortMultipartUploadCommand(upload.at))), 'NoSuchUpload');

    t.equal((await upload.complete(parts)).ETag, done.ETag, 'completing again succeeds again');
    t.equal(await codeOf(upload.complete(parts.slice(1))), 'NoSuchUpload', 'but not with other parts');
    const copy = await client.send(
      new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `bucket/${encodeURIComponent('key ü')}` }),
    );
    t.equal(copy.CopyObjectResult?.ETag, `"${md5(Buffer.concat(bodies)).digest('hex')}"`, 'a copy is a plain object');
    await client.send(new DeleteObjectCommand(upload.at));
    t.equal(await codeOf(upload.complete(parts)), 'NoSuchUpload', 'nor once the object is gone');
  });

  t.test(`UploadPartCopy, ${settings}`, async (t) => {
    const s3 = await sim(t);
    const client = sdk(t, s3, config);
    await client.send(new CreateBucketCommand({ Bucket }));
    const source = randomBytes(10_000);
    await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: source }));
    const upload = await begin(client, 'key');
    const copy = async (PartNumber: number, CopySourceRange?: string, CopySource = 'bucket/source') => {
      const reply = await client.send(
        new UploadPartCopyCommand({ ...upload.at, PartNumber, CopySource, CopySourceRange }),
      );
      return { PartNumber, ETag: reply.CopyPartResult?.ETag };
    };
    const parts = [await copy(1, 'bytes=5000-9999'), await copy(2)];
    for (const range of ['bytes=0-10000', 'bytes=5-', 'bytes=5-4', 'bytes=-5'])
      t.equal(await codeOf(copy(3, range)), 'InvalidArgument', range);
    t.equal(await codeOf(copy(3, undefined, 'bucket/none')), 'NoSuchKey');
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'source' }));
    const bodies = [source.subarray(5000), source];
    t.equal((await upload.complete(parts)).ETag, multipartEtag(bodies));
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'key' }));
    t.ok(Buffer.concat(bodies).equals(Buffer.from((await got.Body?.transformToByteArray()) ?? [])));

    // A copy of a part of a part of an object.
    const again = await begin(client, 'again');
    const CopySourceRange = 'bytes=4998-5003';
    const { CopyPartResult } = await client.send(
      new UploadPartCopyCommand({ ...again.at, PartNumber: 1, CopySource: 'bucket/key', CopySourceRange }),
    );
    await again.complete([{ PartNumber: 1, ETag: CopyPartResult?.ETag }]);
    const few = await client.send(new GetObjectCommand({ Bucket, Key: 'again' }));
    t.same(Buffer.from((await few.Body?.transformToByteArray()) ?? []), Buffer.concat(bodies).subarray(4998, 5004));
  });
}

t.test('what Complete refuses', async (t) => {
  const s3 = await sim(t);
  const client = sdk(t, s3);
  await client.send(new CreateBucketCommand({ Bucket }));
  const upload = await begin(client, 'key');
  const small = await upload.put(1, randomBytes(1023));
  const large = await upload.put(2, randomBytes(1024));
  const last = await upload.put(3, randomBytes(3));
  t.equal(await codeOf(upload.complete([small, large])), 'EntityTooSmall');
  t.equal(await codeOf(upload.complete([last, large])), 'InvalidPartOrder');
  t.equal(await codeOf(upload.complete([large, large])), 'InvalidPartOrder');
  t.equal(await codeOf(upload.complete([large, { ...last, ETag: small.ETag }])), 'InvalidPart');
  t.equal(await codeOf(upload.complete([large, { ...last, PartNumber: 4 }])), 'InvalidPart');
  t.equal(await codeOf(upload.complete([])), 'MalformedXML');
  t.equal(await codeOf(upload.complete([large, last], { MpuObjectSize: 5 })), 'InvalidRequest');
  const path = `/bucket/key?uploadId=${upload.at.UploadId}`;
  const post = (body: string) => raw(s3, { method: 'POST', path, body });
  const part = '<Part><PartNumber>2</PartNumber><ETag>x</ETag></Part>';
  for (const body of [
    '',
    '<Other/>',
    `<CompleteMultipartUpload>${part.replace('2', 'two')}</CompleteMultipartUpload>`,
    `<CompleteMultipartUpload>${part.replace('<ETag>x</ETag>', '')}</CompleteMultipartUpload>`,
    `<CompleteMultipartUpload>${part.repeat(10_001)}</CompleteMultipartUpload>`,
    `<CompleteMultipartUpload>${part}`,
  ]) {
    t.match(await post(body), { status: 400, code: 'MalformedXML' }, body.slice(0, 80));
  }
  t.match(await post(' '.repeat(8 * 1024 * 1024 + 1)), { status: 400, code: 'MaxMessageLengthExceeded' });
  t.match(await raw(s3, { method: 'POST', path: '/bucket/other?uploadId=none', body: 'x' }), { code: 'NoSuchUpload' });
  t.match(
    await raw(s3, {
      method: 'POST',
      path: path.replace('key', 'other'),
      body: `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`,
    }),
    { code: 'NoSuchUpload' },
    'an upload belongs to its key',
  );

  t.equal(
    await codeOf(upload.complete([large, last], { MpuObjectSize: 1027 })),
    'none',
    'parts that are not named are dropped',
  );
  t.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'key' }))).ContentLength, 1027);
});

t.test('parts', async (t) => {
  const s3 = await sim(t);
  const client = sdk(t, s3);
  await client.send(new CreateBucketCommand({ Bucket }));
  const upload = await begin(client, 'key');
  for (const PartNumber of [0, -1, 10_001]) {
    t.equal(await codeOf(upload.put(PartNumber, randomBytes(1))), 'InvalidArgument', `part ${PartNumber}`);
  }
  await Promise.all([10_000, 9, 1, 5].map((number) => upload.put(number, randomBytes(number % 100))));
  const page = (options: object) => client.send(new ListPartsCommand({ ...upload.at, ...options }));
  const first = await page({ MaxParts: 3 });
  t.match(first, { IsTruncated: true, NextPartNumberMarker: '9', MaxParts: 3 });
  t.same(
    first.Parts?.map(({ PartNumber }) => PartNumber),
    [1, 5, 9],
  );
  const second = await page({ MaxParts: 3, PartNumberMarker: first.NextPartNumberMarker });
  t.match(second, { IsTruncated: false, Parts: [{ PartNumber: 10_000, Size: 0 }] });

  await client.send(new AbortMultipartUploadCommand(upload.at));
  t.equal(await codeOf(client.send(new AbortMultipartUploadCommand(upload.at))), 'NoSuchUpload');
  t.equal(await codeOf(upload.put(1, randomBytes(1))), 'NoSuchUpload');
  t.equal(await codeOf(page({})), 'NoSuchUpload');
});

t.test('ListMultipartUploads', async (t) => {
  const s3 = await sim(t);
  const client = sdk(t, s3);
  await client.send(new CreateBucketCommand({ Bucket }));
  const made: (readonly [string, string | undefined])[] = [];
  for (const key of ['b', 'a/2', 'a/1', 'a/1', 'a/1']) made.push([key, (await begin(client, key)).at.UploadId]);
  const expected = made.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const found: (readonly [string | undefined, string | undefined])[] = [];
  let marker = {};
  for (let more = true; more; ) {
    const page = await client.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 2, ...marker }));
    for (const { Key, UploadId } of page.Uploads ?? []) found.push([Key, UploadId]);
    more = page.IsTruncated === true;
    marker = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
  }
  t.strictSame(found, expected, 'by key, then by age, each once');
  const some = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'a/2', EncodingType: 'url' }));
  t.same(
    some.Uploads?.map(({ Key }) => Key),
    ['a/2'],
  );
});

t.test('requests that race', async (t) => {
  const s3 = await sim(t);
  const client = sdk(t, s3);
  await client.send(new CreateBucketCommand({ Bucket }));
  const upload = await begin(client, 'key');
  const part = await upload.put(1, randomBytes(10));
  const etags = await Promise.all([upload.complete([part]), upload.complete([part])]);
  t.equal(etags[0].ETag, etags[1].ETag, 'two completes agree');

  const other = await begin(client, 'other');
  const outcomes = await Promise.all([
    codeOf(other.put(1, randomBytes(2_000_000))),
    codeOf(client.send(new AbortMultipartUploadCommand(other.at))),
  ]);
  t.equal(outcomes[1], 'none');
  t.ok(['none', 'NoSuchUpload'].includes(outcomes[0] ?? ''), 'a part of an upload that ends meanwhile');
  t.equal(await codeOf(client.send(new ListPartsCommand(other.at))), 'NoSuchUpload');
});
