import t, { type Test } from 'tap';
import { ChaosStore } from '../../src/chaos/chaos-store.ts';
import { storePlan } from '../../src/chaos/store-faults.ts';
import { EngineError } from '../../src/errors.ts';
import { findImage, listImages } from '../../src/image/catalog.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { deleteImage } from '../../src/image/delete-image.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import type { WriteHandle } from '../../src/image/image-backend.ts';
import { journalMemory } from '../../src/image/journal-memory.ts';
import { attachWriteHandle, createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import type { ObjectStore, Upload } from '../../src/vast/store.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, readImage, testResources, textBytes } from './support.ts';

const OPERATIONS = ['put', 'read', 'head', 'delete', 'create-upload', 'part', 'list-parts', 'complete'] as const;

/** A store of which the n-th operation fails, whatever it is. */
function failing(inner: ObjectStore, nth: number): { store: ObjectStore; hit: () => string } {
  const effect = { kind: 'error', failure: 'capacity' } as const;
  const plan = storePlan(1, [{ operations: OPERATIONS, after: nth - 1, count: 1, effect }]);
  const hit = (): string =>
    plan
      .events()[0]
      ?.site.replace(/netbackup\/[^/]*\//, '')
      .replace(/[0-9]+/g, 'n') ?? '';
  return { store: new ChaosStore(inner, plan), hit };
}

/** Feed all, or as much as goes. */
async function feedUntilFailure(handle: WriteHandle, slots: Slots, data: Buffer): Promise<void> {
  const failed = new Promise<void>((resolve) => handle.onFailure(() => resolve()));
  await Promise.race([feed(handle, slots, data), failed]);
}

async function garbage(store: ObjectStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind, key } of collectGarbage(store, { olderThanMs: 0, dryRun: true, now: Date.now() + 1000 }))
    found.push(`${kind} ${key}`);
  return found;
}

for (const mode of ['complete', 'incomplete'] as const) {
  t.test(`close ${mode}: whatever fails is told once, frees everything and leaves what was kept before`, async (t) => {
    promise({
      row: 'gc',
      promise: 'Whatever fails at a close is told once, holds nothing, and keeps what was kept before',
      fault: 'each request of a close fails for good, in turn; complete and incomplete',
    });
    const data = Buffer.concat([textBytes(4 * MIB), randomBytes(3 * MIB), textBytes(2 * MIB + 512)]);
    const kept = MIB + 512;
    const hits = new Set<string>();
    for (let nth = 1; ; nth += 1) {
      const resources = testResources(t);
      const inner = await memoryLsu({ minPartBytes: 300 * 1024 });
      const first = await createWriteHandle(context(inner, resources), layout(resources, 'faulty', { compress: true }));
      await feed(first, new Slots(2), data.subarray(0, kept));
      await first.close('incomplete', kept);

      const { store, hit } = failing(inner, nth);
      const slots = new Slots(3);
      const told: unknown[] = [];
      let error: unknown;
      try {
        const handle = await reopenWriteHandle(
          context(store, resources, { creator: 'session/2' }),
          identity('faulty'),
          TUNING,
        );
        handle.onFailure((failure) => told.push(failure));
        await feedUntilFailure(handle, slots, data);
        await handle.close(mode, data.byteLength);
      } catch (caught) {
        error = caught;
      }
      t.equal(resources.budget.used, 0, `${hit()}: no memory is held`);
      t.equal(slots.full.size, 0, `${hit()}: no slot is held`);
      if (hit() === '') {
        t.equal(error, undefined);
        t.ok(nth > 20, `${nth - 1} operations failed in turn: ${[...hits].sort().join(', ')}`);
        break;
      }
      hits.add(hit());
      if (error !== undefined) {
        t.match(error, refusal('capacity', { code: 'VOST_CHAOS' }), `${hit()} is told`);
        t.ok(told.length === 0 || (told.length === 1 && told[0] === error));
      }
      // Whoever comes next finds what was kept, or the image if it got so far.
      const entry = await findImage(inner, 'faulty');
      if (entry.state === 'pending') {
        const again = await reopenWriteHandle(context(inner, resources, { creator: 'session/3' }), identity('faulty'), {
          ...TUNING,
          takeOver: () => true,
        });
        const size = error === undefined && mode === 'incomplete' ? data.byteLength : again.size;
        t.ok(size === kept || size === data.byteLength, `${hit()}: ${size} bytes were kept`);
        await feed(again, new Slots(3), data);
        await again.close('complete', data.byteLength);
      }
      t.ok((await readImage(inner, resources, imageIdOf(identity('faulty')))).equals(data), `${hit()}: then complete`);
      t.notMatch((await garbage(inner)).join(), /pending-image|orphan/);
      t.same(await orphans(inner), []);
    }
  });
}

t.test('a handle that fails tells at once, refuses further work and gives all slots back', async (t) => {
  const resources = testResources(t);
  const inner = await memoryLsu();
  const fault = new EngineError('VOST_TEST_FAULT', 'capacity', 'full');
  const store = wrapStore(inner, {
    createUpload: (key) => (key.includes('fragment') ? Promise.reject(fault) : inner.createUpload(key)),
  });
  const slots = new Slots(8);
  const handle = await createWriteHandle(context(store, resources), layout(resources, 'x'));
  const failed = new Promise<EngineError>((resolve) => handle.onFailure(resolve));
  await feed(handle, slots, randomBytes(6 * MIB), { order: (all) => [...all.slice(1), 0] });
  const flushed = handle.flush();
  t.equal(await failed, fault);
  await t.rejects(flushed, fault);
  await t.rejects(handle.flush(), fault);
  await t.rejects(handle.writeMeta(0, Buffer.from('x')), fault);
  slots.put(handle, 7, randomBytes(MIB), false);
  await t.rejects(handle.close('complete', 7 * MIB), fault);
  t.equal(slots.full.size, 0);
  t.equal(resources.budget.used, 0);
  await t.rejects(handle.close('abandon', 0), refusal('usage', { code: 'VOST_HANDLE_ENDED' }));
});

t.test('chunks that cannot be are refused by failing the handle', async (t) => {
  const resources = testResources(t);
  const bad: [string, (handle: WriteHandle, slots: Slots) => void][] = [
    ['VOST_CHUNK_LENGTH', (handle, slots) => slots.put(handle, 0, randomBytes(512), false)],
    ['VOST_CHUNK_LENGTH', (handle, slots) => slots.put(handle, 0, randomBytes(0), true)],
    ['VOST_CHUNK_LENGTH', (handle, slots) => slots.put(handle, 0, randomBytes(MIB + 512), false)],
    ['VOST_OFFSET', (handle, slots) => slots.put(handle, -1, randomBytes(MIB), false)],
    ['VOST_OFFSET', (handle, slots) => slots.put(handle, 2 ** 40, randomBytes(MIB), false)],
    ['VOST_SEALED', (handle, slots) => [3, 3].map((chunk) => slots.put(handle, chunk, randomBytes(MIB), false))],
    ['VOST_LAST_CHUNK', (handle, slots) => [3, 4].map((chunk) => slots.put(handle, chunk, randomBytes(MIB), true))],
    ['VOST_LAST_CHUNK', (handle, slots) => [4, 3].map((chunk) => slots.put(handle, chunk, randomBytes(MIB), true))],
  ];
  for (const [code, act] of bad) {
    const store = await memoryLsu();
    const slots = new Slots(4);
    const handle = await createWriteHandle(context(store, resources), layout(resources, 'x'));
    const failed = new Promise<EngineError>((resolve) => handle.onFailure(resolve));
    act(handle, slots);
    t.equal((await failed).code, code);
    await t.rejects(handle.close('complete', MIB), { code });
    t.same(
      [...slots.full.keys()].filter((chunk) => chunk !== 3 || code !== 'VOST_SEALED'),
      [],
    );
  }
});

t.test('an image is complete only when every byte below its size is there', async (t) => {
  promise({
    row: '10',
    promise: 'An image whose bytes are not all there cannot be completed',
    fault: 'sources with a gap, too short, longer than declared',
  });
  const resources = testResources(t);
  const data = randomBytes(3 * MIB + 512);
  for (const [chunks, size] of [
    [[0, 1, 2], 3 * MIB + 512],
    [[0, 1, 3], 3 * MIB + 512],
    [[0, 1, 2, 3], 3 * MIB],
    [[0, 1, 2, 3], 4 * MIB],
    [[0, 1, 2], 2 * MIB],
    [[], 1],
    [[0], -1],
  ] as [number[], number][]) {
    const store = await memoryLsu();
    const slots = new Slots(4);
    const handle = await createWriteHandle(context(store, resources), layout(resources, 'x'));
    await feed(handle, slots, data, { order: () => chunks });
    await t.rejects(handle.close('complete', size), refusal('usage', { code: 'VOST_NOT_COVERED' }));
    t.equal(slots.full.size, 0);
    const entry = await findImage(store, 'x');
    t.equal(entry.state, 'pending');
  }
});

t.test('closed incomplete, chunks beyond a gap are dropped', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const data = randomBytes(5 * MIB + 512);
  const slots = new Slots(4);
  const handle = await createWriteHandle(context(store, resources), layout(resources, 'gap'));
  await feed(handle, slots, data, { order: () => [0, 1, 4, 5] });
  await handle.flush();
  t.same([...slots.full.keys()], [4, 5], 'a flush does not wait for the gap');
  await handle.close('incomplete', 2 * MIB);
  t.equal(slots.full.size, 0);
  const again = await reopenWriteHandle(context(store, resources, { creator: 'next' }), identity('gap'), TUNING);
  t.equal(again.size, 2 * MIB);
  await feed(again, slots, data);
  await again.close('complete', data.byteLength);
  t.ok((await readImage(store, resources, again.imageId)).equals(data));
});

t.test('abandoned, an image keeps what was kept before', async (t) => {
  promise({
    row: '17',
    promise: 'An image that is given up keeps what was kept before',
    fault: 'abandon amid parts, twice',
  });
  const resources = testResources(t);
  const store = await memoryLsu({ minPartBytes: 2 * MIB });
  const data = randomBytes(6 * MIB + 512);
  const first = await createWriteHandle(context(store, resources), layout(resources, 'left'));
  await first.writeMeta(1, Buffer.from('kept'));
  await feed(first, new Slots(2), data.subarray(0, MIB + 512));
  await first.close('incomplete', MIB + 512);
  for (const creator of ['second', 'third']) {
    const handle = await reopenWriteHandle(context(store, resources, { creator }), identity('left'), TUNING);
    const slots = new Slots(2);
    await handle.writeMeta(1, Buffer.from('not kept'));
    await feed(handle, slots, randomBytes(5 * MIB, creator), { last: false });
    await handle.flush();
    await handle.close('abandon', 0);
    t.equal(slots.full.size, 0);
  }
  const last = await reopenWriteHandle(context(store, resources, { creator: 'fourth' }), identity('left'), TUNING);
  t.equal(last.size, MIB + 512);
  t.equal(Buffer.from(await last.readMeta(1)).toString(), 'kept');
  // Nothing handed over: the kept tail is the image's end.
  const manifest = await last.close('complete', MIB + 512);
  t.equal(manifest?.size, MIB + 512);
  t.ok((await readImage(store, resources, last.imageId)).equals(data.subarray(0, MIB + 512)));
  t.same(await garbage(store), []);
});

t.test('who may open an unfinished image', async (t) => {
  promise({ row: '18', promise: 'Only one writer has an unfinished image', fault: 'reopen by others, alive and dead' });
  const resources = testResources(t);
  const store = await memoryLsu();
  const open = (creator: string, more = {}) =>
    reopenWriteHandle(context(store, resources, { creator }), identity('x'), { ...TUNING, ...more });
  await t.rejects(open('a'), refusal('not-found'));
  const first = await createWriteHandle(context(store, resources, { creator: 'a' }), layout(resources, 'x'));
  await t.rejects(open('b'), refusal('busy', { code: 'VOST_IMAGE_BUSY' }));
  await t.rejects(
    createWriteHandle(context(store, resources, { creator: 'b' }), layout(resources, 'x')),
    refusal('exists'),
  );
  const asked: [string, boolean][] = [];
  const takeOver = (creator: string, touched: number): boolean => {
    asked.push([creator, Math.abs(touched - Date.now()) < 60_000]);
    return asked.length > 1;
  };
  await t.rejects(open('b', { takeOver }), refusal('busy'));
  const second = await open('b', { takeOver });
  t.same(asked, [
    ['a', true],
    ['a', true],
  ]);

  // The first one notices before it publishes, and leaves the second one's work alone.
  const slots = new Slots(4);
  await feed(first, slots, randomBytes(3 * MIB, 'first'));
  await t.rejects(first.close('complete', 3 * MIB), refusal('busy', { code: 'VOST_CLAIM_LOST' }));
  t.equal(slots.full.size, 0);
  const data = randomBytes(2 * MIB, 'second');
  await feed(second, slots, data);
  await second.close('complete', data.byteLength);
  t.ok((await readImage(store, resources, second.imageId)).equals(data));
  await t.rejects(open('c'), refusal('access', { code: 'VOST_IMAGE_COMPLETE' }));
  await t.rejects(
    attachWriteHandle(context(store, resources, { creator: 'a' }), identity('x'), 'write', TUNING),
    refusal('exists'),
  );
  const attached = await attachWriteHandle(context(store, resources, { creator: 'b' }), identity('x'), 'write', TUNING);
  t.same(attached, { committed: true });
});

t.test('deleted under its writer, an image does not come back', async (t) => {
  promise({
    row: '18',
    promise: 'An image that was deleted under its writer does not come back',
    fault: 'delete by another engine in mid-backup',
  });
  const resources = testResources(t);
  const store = await memoryLsu();
  const slots = new Slots(4);
  const handle = await createWriteHandle(context(store, resources), layout(resources, 'x'));
  await feed(handle, slots, randomBytes(3 * MIB));
  await handle.flush();
  t.ok(await deleteImage(store, handle.imageId));
  await t.rejects(handle.close('complete', 3 * MIB), refusal('not-found'));
  t.equal(slots.full.size, 0);
  t.same(await keysOf(store), []);
  for await (const entry of listImages(store)) t.fail(`${entry.imageId} is there`);
});

/** A store whose parts never arrive. */
async function blockedStore(t: Test): Promise<{ store: ObjectStore; inner: ObjectStore; entered: Promise<void> }> {
  const inner = await memoryLsu();
  const entered = Promise.withResolvers<void>();
  t.teardown(() => entered.resolve());
  const upload = (of: Upload): Upload => ({
    ...of,
    key: of.key,
    id: of.id,
    abort: (options) => of.abort(options),
    putPart: (_part, options) => {
      entered.resolve();
      return new Promise((_, reject) => {
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason));
      });
    },
  });
  const store = wrapStore(inner, {
    createUpload: async (key, options) => upload(await inner.createUpload(key, options)),
  });
  return { store, inner, entered: entered.promise };
}

t.test('an abort by signal, or a detach, leaves everything to an attach, even in the middle of a close', async (t) => {
  const data = randomBytes(3 * MIB);
  for (const how of ['signal', 'detach', 'signal while closing', 'detach while closing']) {
    const resources = testResources(t);
    const { store, inner, entered } = await blockedStore(t);
    const controller = new AbortController();
    const journal = journalMemory(new Uint8Array(64 * 1024));
    const slots = new Slots(4);
    const handle = await createWriteHandle(
      context(store, resources, { journal, signal: controller.signal }),
      layout(resources, 'x'),
    );
    await feed(handle, slots, data);
    const closing = how.endsWith('closing') ? handle.close('complete', data.byteLength) : undefined;
    const refused = closing && t.rejects(closing, refusal('aborted'));
    await entered;
    const survivors = slots.clone();
    if (how.startsWith('signal')) controller.abort();
    await handle.detach();
    await refused;
    t.equal(slots.full.size, 0, `${how}: no slot is used any more`);
    t.equal(resources.budget.used, 0);
    await t.rejects(handle.flush(), refusal('aborted'));
    t.equal(survivors.full.size, 3);
    const next = await attachWriteHandle(context(inner, resources, { journal }), identity('x'), 'write', TUNING);
    if (next.handle === undefined) throw new Error('no handle');
    survivors.putAgain(next.handle);
    await next.handle.close('complete', data.byteLength);
    t.ok((await readImage(inner, resources, next.handle.imageId)).equals(data));
  }
});
