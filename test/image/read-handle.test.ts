import fc from 'fast-check';
import t, { type Test } from 'tap';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import type { ReadHandle } from '../../src/image/image-backend.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { openReadHandle } from '../../src/image/read-handle.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { refusal } from '../support/refusal.ts';
import { gate } from '../support/turns.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots } from './handle-support.ts';
import {
  identity,
  MIB,
  memoryLsu,
  objectBytes,
  randomBytes,
  testResources,
  textBytes,
  writeImage,
  writerOptions,
} from './support.ts';

async function image(
  store: ObjectStore,
  resources: Resources,
  data: Buffer,
  compress = false,
  partBytes = MIB,
): Promise<string> {
  const options = writerOptions(resources, 'image', { compress, chunkBytes: 2 * MIB, partBytes });
  return (await writeImage(store, resources, options, data)).imageId;
}

/** Read and compare with the data. */
async function check(
  t: Test,
  handle: ReadHandle,
  data: Buffer,
  offset: number,
  length: number,
  slot: Buffer,
  sequential: boolean,
): Promise<number> {
  const range = await handle.read(offset, length, slot, sequential);
  const { start, slotOffset, eof } = range;
  const name = `${offset}+${length} into ${slot.byteLength}${sequential ? ' sequentially' : ''}`;
  if (offset >= data.byteLength) {
    t.same(range, { start: offset, length: 0, slotOffset: 0, eof: true }, name);
    return 0;
  }
  t.ok(start <= offset && start + range.length > offset, `${name}: the byte is there`);
  t.equal(eof, start + range.length === data.byteLength, `${name}: end of file`);
  t.ok(
    slot.subarray(slotOffset, slotOffset + range.length).equals(data.subarray(start, start + range.length)),
    `${name}: bytes`,
  );
  return range.length;
}

t.test('any range comes back verified, compressed or not, wherever it lies', async (t) => {
  const resources = testResources(t);
  for (const compress of [false, true]) {
    for (const partBytes of [MIB, 8 * MIB]) {
      const store = await memoryLsu();
      const data = Buffer.concat([textBytes(3 * MIB + 17), randomBytes(4 * MIB + 512)]);
      await image(store, resources, data, compress, partBytes);
      const handle = await openReadHandle(context(store, resources), identity('image'));
      await fc.assert(
        fc.asyncProperty(
          fc.nat(data.byteLength + 100),
          fc.nat(3 * MIB),
          fc.constantFrom(MIB, 2 * MIB, 4 * MIB, 16 * MIB),
          fc.boolean(),
          async (offset, length, slot, sequential) => {
            await check(t, handle, data, offset, length, Buffer.alloc(slot), sequential);
          },
        ),
        { numRuns: 40, seed: 7 },
      );
      await handle.close();
      t.equal(resources.budget.used, 0);
    }
  }
});

t.test('a sequential read fills the slot, a scattered one fetches the leaves concerned', async (t) => {
  const resources = testResources(t);
  const inner = await memoryLsu();
  const data = randomBytes(10 * MIB);
  await image(inner, resources, data, false, 4 * MIB);
  const reads: string[] = [];
  const store = wrapStore(inner, {
    read: (key, offset, into, options) => {
      reads.push(`${key.split('/').at(-1)} ${into.byteLength}`);
      return inner.read(key, offset, into, options);
    },
  });
  const handle = await openReadHandle(context(store, resources), identity('image'));
  t.equal(reads.length, 1, 'opening reads the manifest only');
  reads.length = 0;
  t.equal(await check(t, handle, data, 5 * MIB + 7, 512, Buffer.alloc(4 * MIB), false), MIB);
  t.same(
    reads.filter((read) => read.startsWith('fragment')),
    [`fragment-000001 ${MIB}`],
  );
  reads.length = 0;
  t.equal(await check(t, handle, data, 5 * MIB - 1, 2, Buffer.alloc(4 * MIB), false), 2 * MIB);
  t.equal(await check(t, handle, data, 0, 1, Buffer.alloc(8 * MIB), true), 8 * MIB);
  t.same(
    reads,
    [`fragment-000001 ${2 * MIB}`, `fragment-000001 ${8 * MIB}`],
    'the index is read once, neighbours at once',
  );
  await handle.close();
});

t.test('many reads at the same time on one handle', async (t) => {
  for (const compress of [false, true]) {
    const resources = testResources(t, 8 * MIB);
    const store = await memoryLsu();
    const data = compress ? textBytes(9 * MIB + 5) : randomBytes(9 * MIB + 5);
    await image(store, resources, data, compress);
    const handle = await openReadHandle(context(store, resources), identity('image'));
    await Promise.all(
      Array.from({ length: 40 }, (_, nth) =>
        check(t, handle, data, (nth * 777_777) % data.byteLength, 4096, Buffer.alloc(2 * MIB), nth % 3 === 0),
      ),
    );
    await handle.close();
    t.equal(resources.budget.used, 0);
  }
});

t.test('corruption anywhere is found and named, and harms no other range', async (t) => {
  const resources = testResources(t);
  for (const compress of [false, true]) {
    const store = await memoryLsu();
    const data = randomBytes(6 * MIB);
    const imageId = await image(store, resources, data, compress, 8 * MIB);
    const key = `netbackup/${imageId}/fragment-000001`;
    const bytes = await objectBytes(store, key);
    bytes[3 * MIB + 9] = (bytes[3 * MIB + 9] ?? 0) ^ 4;
    await store.put(key, [bytes]);
    const handle = await openReadHandle(context(store, resources), identity('image'));
    const slot = Buffer.alloc(8 * MIB);
    await t.rejects(handle.read(3 * MIB, 1, slot, false), refusal('integrity', { message: new RegExp(imageId) }));
    await t.rejects(handle.read(0, 1, slot, true), refusal('integrity'));
    await check(t, handle, data, 5 * MIB, 4, slot, false);
    await handle.close();
    t.equal(resources.budget.used, 0);
  }
});

t.test('an abort stops its own read only, close stops all and waits for them', async (t) => {
  const resources = testResources(t);
  const inner = await memoryLsu();
  const data = randomBytes(5 * MIB);
  await image(inner, resources, data);
  const blocked = gate();
  const entered = gate();
  let inside = 0;
  const store = wrapStore(inner, {
    read: async (key, offset, into, options) => {
      if (key.endsWith('/index')) {
        inside += 1;
        entered.open();
        await Promise.race([
          blocked.promise,
          new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))),
        ]).finally(() => {
          inside -= 1;
        });
      }
      return inner.read(key, offset, into, options);
    },
  });
  const handle = await openReadHandle(context(store, resources), identity('image'));
  const stop = new AbortController();
  const first = handle.read(0, 1, Buffer.alloc(MIB), false, stop.signal);
  const second = handle.read(4 * MIB, 1, Buffer.alloc(MIB), false);
  await entered.promise;
  stop.abort();
  await t.rejects(first, refusal('aborted'));
  t.equal(inside, 1, 'the second reader still waits for the same footer');
  blocked.open();
  t.equal((await second).start, 4 * MIB);
  await handle.close();

  const other = await openReadHandle(context(inner, resources), identity('image'));
  const running = other.read(0, 1, Buffer.alloc(MIB), false);
  const refused = t.rejects(running, refusal('usage', { code: 'VOST_HANDLE_ENDED' }));
  await other.close();
  await refused;
  await t.rejects(other.read(0, 1, Buffer.alloc(MIB), false), refusal('usage'));
});

t.test('what cannot be read is refused', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  await t.rejects(openReadHandle(context(store, resources), identity('none')), refusal('not-found'));
  const pending = await createWriteHandle(context(store, resources), layout(resources, 'pending'));
  await t.rejects(openReadHandle(context(store, resources), identity('pending')), refusal('not-found'));
  await pending.close('abandon', 0);
  await image(store, resources, randomBytes(3 * MIB));
  const handle = await openReadHandle(context(store, resources), identity('image'));
  await t.rejects(handle.read(-1, 1, Buffer.alloc(MIB), false), refusal('usage'));
  await t.rejects(handle.read(0.5, 1, Buffer.alloc(MIB), false), refusal('usage'));
  await t.rejects(handle.read(0, 1, Buffer.alloc(1000), false), refusal('usage', { code: 'VOST_RANGE' }));
  await t.rejects(handle.readMeta(0), refusal('not-found'));
  await handle.close();
});

t.test('blobs come back with the image', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const slots = new Slots(2);
  const write = await createWriteHandle(context(store, resources), layout(resources, 'blobs'));
  const large = randomBytes(3 * MIB, 'blob');
  await write.writeMeta(0, Buffer.from('first'));
  await write.writeMeta(63, large);
  await write.writeMeta(5, new Uint8Array(0));
  await Promise.all([write.writeMeta(0, Buffer.from('second')), write.writeMeta(0, Buffer.from('third'))]);
  t.equal(Buffer.from(await write.readMeta(0)).toString(), 'third');
  await t.rejects(write.readMeta(1), refusal('not-found'));
  for (const index of [-1, 64, 1.5]) await t.rejects(write.writeMeta(index, large), refusal('usage'));
  await t.rejects(write.writeMeta(1, { byteLength: 16 * MIB + 1 } as Uint8Array), refusal('usage'));
  await feed(write, slots, randomBytes(MIB));
  const manifest = await write.close('complete', MIB);
  t.same(
    manifest?.metas?.map(({ index, size }) => [index, size]),
    [
      [0, 5],
      [5, 0],
      [63, 3 * MIB],
    ],
  );
  await store.put(`netbackup/${write.imageId}/tail-000001`, [Buffer.from('left')]);
  const garbage = [];
  for await (const { kind, key } of collectGarbage(store, { olderThanMs: 0, dryRun: false, now: Date.now() + 1000 }))
    garbage.push(`${kind} ${key.split('/').at(-1)}`);
  t.same(garbage, ['leftover tail-000001'], 'blobs that the manifest names are no garbage');
  const read = await openReadHandle(context(store, resources), identity('blobs'));
  t.equal(Buffer.from(await read.readMeta(0)).toString(), 'third');
  t.ok(large.equals(await read.readMeta(63)));
  t.equal((await read.readMeta(5)).byteLength, 0);
  const [meta] = manifest?.metas ?? [];
  await store.put(`netbackup/${read.imageId}/${meta?.name}`, [Buffer.from('THIRD')]);
  await t.rejects(read.readMeta(0), refusal('integrity'));
  await read.close();
});
