import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type Sink, startSink } from '../../bench/sink.ts';
import { BLOCK_BYTES, GeneratedSource } from '../../bench/source.ts';
import { openStorage } from '../../src/vast/open-storage.ts';
import type { ObjectStore, Storage } from '../../src/vast/store.ts';
import { refusal } from '../support/refusal.ts';

const PROGRAM = 'build/bench-sink-sanitized';
const MIN_PART_BLOCKS = (5 * 2 ** 20) / BLOCK_BYTES;

t.before(() => {
  execFileSync('make', ['--silent', '-f', 'bench/bench.mk', 'SANITIZE=1', 'bench-sink'], { stdio: 'inherit' });
});

async function open(t: Test, ...args: string[]): Promise<{ sink: Sink; store: ObjectStore; storage: Storage }> {
  const sink = await startSink(args, PROGRAM);
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const storage = openStorage(`s3:${sink.endpoint}`, { s3: { credentials, wireIntegrity: 'none' } });
  // Stopping fails when the sanitizers found something, a leak included.
  t.teardown(async () => {
    await storage.close();
    await sink.stop();
  });
  return { sink, storage, store: await storage.open('test-lsu') };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A part of stamped, otherwise empty blocks. */
function stamped(numbers: readonly number[]): Uint8Array {
  const part = Buffer.alloc(numbers.length * BLOCK_BYTES);
  for (const [at, number] of numbers.entries()) part.writeBigUInt64LE(BigInt(number), at * BLOCK_BYTES);
  return part;
}

/** Upload parts of blocks, the last part first. */
async function upload(store: ObjectStore, key: string, parts: readonly (readonly number[])[]): Promise<void> {
  const upload = await store.createUpload(key);
  const infos = [];
  for (const [at, numbers] of [...parts.entries()].reverse()) {
    const body = stamped(numbers);
    infos.unshift(await upload.putPart({ number: at + 1, offset: 0, size: body.byteLength, body: [body] }));
  }
  await upload.complete(infos);
}

t.test('small objects come back; listings and deletion', async (t) => {
  const { store } = await open(t);
  await store.put('a/b/c', [Buffer.from('hello')]);
  await store.put('a/d', [Buffer.from('two '), Buffer.from('pieces')]);
  await store.put('e', []);
  const into = Buffer.alloc(6);
  await store.read('a/d', 4, into);
  t.equal(into.toString(), 'pieces');
  t.match(await store.head('a/d'), { size: 10 });
  t.equal(await store.head('nothing'), undefined);
  t.same(
    (await collect(store.list())).map(({ key, size }) => [key, size]),
    [
      ['a/b/c', 5],
      ['a/d', 10],
      ['e', 0],
    ],
  );
  t.same(await collect(store.listFolders('')), ['a']);
  t.same(await collect(store.listFolders('a/')), ['b']);
  await store.delete(['a/d', 'e', 'nothing']);
  t.same(
    (await collect(store.list({ prefix: 'a/' }))).map(({ key }) => key),
    ['a/b/c'],
  );
});

t.test('an upload of one small part comes back, too', async (t) => {
  const { store } = await open(t);
  const upload = await store.createUpload('manifest');
  const part = (text: string) => upload.putPart({ number: 1, offset: 0, size: 5, body: [Buffer.from(text)] });
  await part('first');
  const again = await part('again');
  const md5 = (bytes: string | Buffer): Buffer => createHash('md5').update(bytes).digest();
  t.equal(again.etag, md5('again').toString('hex'), 'called by its MD5, as S3 does');
  t.equal((await upload.complete([again])).etag, `${md5(md5('again')).toString('hex')}-1`);
  const into = Buffer.alloc(5);
  await store.read('manifest', 0, into);
  t.equal(into.toString(), 'again');
});

t.test('listings in pages', async (t) => {
  const { sink, storage } = await open(t);
  const s3 = { credentials: { accessKeyId: 'test', secretAccessKey: 'test' }, pageSize: 2 };
  const paged = openStorage(`s3:${sink.endpoint}`, { s3 });
  t.teardown(() => paged.close());
  const store = await paged.open('test-lsu');
  for (const key of ['a/1', 'a/2', 'b', 'c/1', 'c/2', 'd/e/f']) await store.put(key, []);
  t.equal((await collect(store.list())).length, 6);
  t.same(await collect(store.listFolders('')), ['a', 'c', 'd']);
  t.same(await collect((await storage.open('other-lsu')).list()), [], 'buckets are apart');
});

t.test('an upload is listed until it is aborted', async (t) => {
  const { store } = await open(t);
  const made = await store.createUpload('image');
  await made.putPart({ number: 3, offset: 0, size: 4, body: [Buffer.from('tail')] });
  t.match(await collect(store.listUploads('')), [{ key: 'image', id: made.id }]);
  t.match(await made.listParts(), [{ number: 3, size: 4 }]);
  await made.abort();
  t.same(await collect(store.listUploads('')), []);
  await t.rejects(made.listParts(), refusal('not-found'));
});

t.test('what was discarded reads as the generated stream', async (t) => {
  const { store } = await open(t, '--truncate');
  const blocks = 40;
  await store.put('large', [Buffer.alloc(blocks * BLOCK_BYTES)]);
  const source = await GeneratedSource.create('random');
  const bytes = blocks * BLOCK_BYTES;
  for (const number of [0, 31, 32, 39]) {
    const into = Buffer.alloc(BLOCK_BYTES);
    await store.read('large', number * BLOCK_BYTES, into);
    t.ok(into.equals(source.block(number, bytes).data), `block ${number}`);
  }
  const across = Buffer.alloc(8);
  await store.read('large', 5 * BLOCK_BYTES - 4, across);
  const before = source.block(4, bytes).data.subarray(-4);
  t.ok(across.equals(Buffer.concat([before, source.block(5, bytes).data.subarray(0, 4)])), 'across two blocks');
});

t.test('verdicts are those of a plain model', async (t) => {
  const { sink, store } = await open(t, '--verify');
  const part = fc.array(fc.nat(50), { minLength: MIN_PART_BLOCKS, maxLength: MIN_PART_BLOCKS + 3 });
  const consecutive = fc.nat(50).map((from) => Array.from({ length: MIN_PART_BLOCKS }, (_, at) => from + at));
  const parts = fc.array(fc.oneof(part, consecutive), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(parts, async (parts) => {
      const numbers = parts.flat();
      const distinct = new Set(numbers);
      const [lowest, highest] = [Math.min(...numbers), Math.max(...numbers)];
      await upload(store, 'image', parts);
      const { verified } = await sink.stats();
      t.match(verified?.list, [
        {
          name: 'test-lsu/image',
          first: lowest,
          blocks: numbers.length,
          duplicates: numbers.length - distinct.size,
          missing: highest - lowest + 1 - distinct.size,
          disorder: numbers.filter((number, at) => at > 0 && number !== (numbers[at - 1] ?? 0) + 1).length,
          unaligned: 0,
        },
      ]);
    }),
    { numRuns: 25 },
  );
});

t.test('a part sent twice counts once, one of odd size is no run of blocks', async (t) => {
  const { sink, store } = await open(t, '--verify');
  const first = Array.from({ length: MIN_PART_BLOCKS }, (_, at) => at);
  const upload = await store.createUpload('image');
  const put = (number: number, body: Uint8Array) =>
    upload.putPart({ number, offset: 0, size: body.byteLength, body: [body] });
  await put(1, stamped([7]));
  const infos = [await put(1, stamped(first)), await put(2, stamped([MIN_PART_BLOCKS]))];
  await upload.complete(infos);
  t.match((await sink.stats()).verified, { objects: 1, good: 1, blocks: MIN_PART_BLOCKS + 1 });
  const odd = await store.createUpload('odd');
  const body = Buffer.concat([stamped(first), Buffer.alloc(512)]);
  const parts = [
    await odd.putPart({ number: 1, offset: 0, size: body.byteLength, body: [body] }),
    await odd.putPart({ number: 2, offset: 0, size: BLOCK_BYTES, body: [stamped([MIN_PART_BLOCKS])] }),
  ];
  await odd.complete(parts);
  t.match((await sink.stats()).verified, { objects: 2, good: 1, unaligned: 1 });
});

t.test('a limited rate takes everything, too', async (t) => {
  const { sink, store } = await open(t, '--rate', '4000000', '--slow-bytes', '300000');
  await Promise.all(['a', 'b', 'c'].map((key) => store.put(key, [Buffer.alloc(2 ** 20)])));
  t.equal((await sink.stats()).bytes_in, 3 * 2 ** 20);
});

async function raw(sink: Sink, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(sink.endpoint).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.end(bytes);
  return text(socket);
}

t.test('what is no request it understands is refused', async (t) => {
  const { sink } = await open(t);
  t.match(await raw(sink, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.match(await raw(sink, 'PUT /b/k HTTP/1.1\r\nContent-Length: many\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.match(await raw(sink, 'PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'), /^HTTP\/1\.1 501 /);
  t.match(await raw(sink, `GET /b/${'x'.repeat(3000)} HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 400 /);
  t.equal(await raw(sink, 'x'.repeat(40_000)), '');
  t.match(await raw(sink, 'GET /b/%00 HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.match(await raw(sink, 'PUT /b/k?partNumber=0&uploadId=1 HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.match(await raw(sink, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 501 /);
});

t.test('a client that leaves in mid-body leaves nothing behind', async (t) => {
  const { sink, store } = await open(t, '--verify');
  t.equal(await raw(sink, 'PUT /test-lsu/cut HTTP/1.1\r\nContent-Length: 100\r\n\r\nonly this'), '');
  t.equal(await store.head('cut'), undefined);
});

t.test('it ends while a client is sending slowly', async (t) => {
  const sink = await startSink(['--rate', '1'], PROGRAM);
  const socket = connect(Number(new URL(sink.endpoint).port), '127.0.0.1');
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  socket.write('PUT /b/k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n');
  const [go] = (await once(socket, 'data')) as [Buffer];
  t.match(go.toString(), /^HTTP\/1\.1 100 /);
  socket.write(Buffer.alloc(500_000));
  t.match(await sink.stop(), { bytes_in: 0 });
  await closed;
});
