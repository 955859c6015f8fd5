import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import t from 'tap';
import { Journal } from '../../../src/sim/s3/state/journal.ts';
import type { StoredObject } from '../../../src/sim/s3/state/records.ts';
import { SimState } from '../../../src/sim/s3/state/sim-state.ts';
import { codeOf, PLAIN, sdk, sim } from './support.ts';

const blobsIn = (dir: string) =>
  readdirSync(join(dir, 'blobs'), { recursive: true })
    .map(String)
    .filter((name) => name.length > 2);

t.test('everything survives a restart', async (t) => {
  const dir = t.testdir({});
  const Bucket = 'bucket';
  const at = { Bucket, Key: 'object' };
  const before = await sim(t, { dir });
  let client = sdk(t, before, PLAIN);
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new CreateBucketCommand({ Bucket: 'other' }));
  await client.send(new CreateBucketCommand({ Bucket: 'gone' }));
  await client.send(new DeleteBucketCommand({ Bucket: 'gone' }));
  const put = await client.send(
    new PutObjectCommand({ ...at, Body: 'data', Metadata: { a: 'b' }, Tagging: 't=1', ChecksumAlgorithm: 'SHA256' }),
  );
  await client.send(new CopyObjectCommand({ Bucket: 'other', Key: 'copy', CopySource: 'bucket/object' }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'deleted', Body: 'x' }));
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'deleted' }));
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ Bucket, Key: 'upload', Metadata: { m: 'n' } }),
  );
  const upload = { Bucket, Key: 'upload', UploadId };
  const first = await client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'a'.repeat(2000) }));
  await before.close();

  const after = await sim(t, { dir });
  client = sdk(t, after, PLAIN);
  t.same(
    (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name),
    ['bucket', 'other'],
  );
  const got = await client.send(new GetObjectCommand({ ...at, ChecksumMode: 'ENABLED' }));
  t.match(got, { ETag: put.ETag, Metadata: { a: 'b' }, TagCount: 1, ChecksumSHA256: put.ChecksumSHA256 });
  t.equal(await got.Body?.transformToString(), 'data');
  t.equal(await codeOf(client.send(new GetObjectCommand({ Bucket, Key: 'deleted' }))), 'NoSuchKey');
  t.match((await client.send(new ListPartsCommand(upload))).Parts, [{ PartNumber: 1, Size: 2000, ETag: first.ETag }]);
  const second = await client.send(new UploadPartCommand({ ...upload, PartNumber: 2, Body: 'b' }));
  const Parts = [first, second].map(({ ETag }, i) => ({ ETag, PartNumber: i + 1 }));
  await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
  await client.send(new DeleteObjectCommand(at));
  await after.close();

  const last = await sim(t, { dir });
  client = sdk(t, last, PLAIN);
  const joined = await client.send(new GetObjectCommand(upload));
  t.equal(await joined.Body?.transformToString(), `${'a'.repeat(2000)}b`);
  t.match(joined, { Metadata: { m: 'n' } });
  const copy = await client.send(new GetObjectCommand({ Bucket: 'other', Key: 'copy' }));
  t.equal(await copy.Body?.transformToString(), 'data', 'a copy in another bucket keeps its blob');
  t.equal(blobsIn(dir).length, 3, 'one blob, and two parts');
});

t.test('what a crash leaves is cut off and swept away', async (t) => {
  const dir = t.testdir({});
  const before = await sim(t, { dir });
  const client = sdk(t, before);
  await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'one', Body: '1' }));
  await before.close();
  const journal = join(dir, 'buckets', 'bucket', 'journal');
  const whole = statSync(journal).size;
  appendFileSync(journal, '{"type":"object","object":{"key":"two","si');
  writeFileSync(join(dir, 'blobs', '00', `00${'f'.repeat(30)}`), 'half a body');
  writeFileSync(join(dir, 'tmp', 'half-made'), '');

  const state = await SimState.open(dir);
  const bucket = state.bucket('bucket');
  t.equal(bucket.objects.size, 1);
  t.equal(blobsIn(dir).length, 1);
  t.same(readdirSync(join(dir, 'tmp')), []);
  t.equal(statSync(journal).size, whole);
  bucket.deleteObject('one');
  await state.close();
  t.equal(blobsIn(dir).length, 0, 'nothing refers to it any more');
  const again = await SimState.open(dir);
  t.equal(again.bucket('bucket').objects.size, 0);
  await again.close();
});

t.test('a damaged journal is an error, not an empty bucket', async (t) => {
  const dir = t.testdir({});
  const state = await SimState.open(dir);
  state.createBucket('bucket', 0, '');
  await state.close();
  const path = join(dir, 'buckets', 'bucket', 'journal');
  writeFileSync(path, `not json\n${readFileSync(path, 'utf8')}`);
  await t.rejects(SimState.open(dir), { code: 'VOST_SIM_STATE', failure: 'integrity' });
});

const object = (key: string): StoredObject => ({
  key,
  size: 0,
  modified: 0,
  etag: '',
  segments: [],
  headers: {},
  metadata: {},
  tags: [],
});

t.test('any bytes are a key, and none of them reaches a path', async (t) => {
  const dir = t.testdir({});
  const keys = fc
    .sample(fc.uint8Array({ minLength: 1, maxLength: 1024 }), { numRuns: 300, seed: 1 })
    .map((bytes) => Buffer.from(bytes).toString('latin1'));
  keys.push('..', '../../etc/x', '/', '//', '.', 'a\0b', 'a\nb', 'k'.repeat(1024), '\u00ff'.repeat(1024));
  const state = await SimState.open(dir);
  state.createBucket('bucket', 0, '');
  for (const key of keys) state.bucket('bucket').putObject(object(key));
  await state.close();
  const again = await SimState.open(dir);
  const { objects } = again.bucket('bucket');
  t.equal(objects.size, new Set(keys).size);
  t.ok(keys.every((key) => objects.get(key)?.key === key));
  await again.close();
  const names = readdirSync(dir, { recursive: true }).map(String);
  t.ok(names.every((name) => /^(tmp|buckets(\/bucket(\/journal)?)?|blobs(\/[0-9a-f]{2})?)$/.test(name)));
});

t.test('a journal of many changes is rewritten', async (t) => {
  const dir = t.testdir({});
  const state = await SimState.open(dir);
  state.createBucket('bucket', 5, 'here');
  const bucket = state.bucket('bucket');
  for (let i = 0; i < 11_000; i += 1) bucket.putObject(object(`key-${i % 3}`));
  bucket.createUpload({ id: 'u', key: 'k', initiated: 1, headers: {}, metadata: {}, tags: [] });
  bucket.putPart('u', 'k', { number: 1, size: 0, modified: 0, etag: 'e', segments: [] });
  await state.close();
  const lines = readFileSync(join(dir, 'buckets', 'bucket', 'journal'), 'utf8').split('\n').length;
  t.ok(lines < 2000, `${lines} lines`);
  const again = await SimState.open(dir);
  t.match(again.bucket('bucket'), { created: 5, location: 'here' });
  t.equal(again.bucket('bucket').objects.size, 3);
  t.equal(again.bucket('bucket').upload('u', 'k').parts.size, 1);
  await again.close();
});

t.test('a record that cannot be written leaves the journal as it was', async (t) => {
  const path = join(t.testdir({}), 'journal');
  const journal = Journal.create(path, [{ type: 'delete', key: 'a' }]);
  const size = statSync(path).size;
  const endless: { key: string; self?: unknown } = { key: 'b' };
  endless.self = endless;
  t.throws(() => journal.append({ type: 'delete', ...endless }), TypeError);
  journal.append({ type: 'delete', key: 'c' });
  journal.close();
  truncateSync(path, size * 2 - 1);
  const seen: unknown[] = [];
  Journal.open(path, (record) => seen.push(record)).close();
  t.same(seen, [{ type: 'delete', key: 'a' }]);
});
