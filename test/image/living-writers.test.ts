import t from 'tap';
import { collectGarbage, type GarbageOptions } from '../../src/image/collect-garbage.ts';
import { deleteImage } from '../../src/image/delete-image.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import { LivingWriters, WRITERS_PREFIX, writeWriters } from '../../src/image/living-writers.ts';
import { imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import { readPending } from '../../src/image/pending-records.ts';
import type { ObjectStore, Upload } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, readImage, testResources, writerOptions } from './support.ts';

const MINUTE_MS = 60_000;
const CREATOR = 'session:1:machine:boot:7:1234';
const PROCESS = 'machine:boot:7:1234';

async function collected(store: ObjectStore, options: Partial<GarbageOptions> = {}): Promise<string[]> {
  const found = await Array.fromAsync(collectGarbage(store, { olderThanMs: 0, dryRun: false, ...options }));
  return found.map(({ kind, key }) => `${kind} ${key.replace(/^.*\//, '')}`);
}

for (const skewMs of [0, 20 * MINUTE_MS, -20 * MINUTE_MS]) {
  t.test(`who lives is judged by the store's clock alone (${skewMs / MINUTE_MS} min ahead of ours)`, async (t) => {
    promise({
      row: '12',
      promise: 'Whether a writer lives is judged by the clock of the storage alone',
      fault: 'the clock of the storage 20 minutes ahead and behind',
    });
    let passed = 0;
    const store = await memoryLsu({}, { clock: () => Date.now() + skewMs + passed });
    const lease = 15 * MINUTE_MS;
    const silent = async (touched: number): Promise<boolean> =>
      (await LivingWriters.read(store, lease)).isSilent(CREATOR, touched);
    const touched = await store.now();
    t.equal(await silent(touched), false, 'its record counts for one lease');
    passed = lease;
    t.equal(await silent(touched), true);
    await writeWriters(store, 'engine', { lease_ms: 2 * lease, processes: [PROCESS] });
    t.equal(await silent(touched), false, 'an engine vouches for it');
    passed += 2 * lease - MINUTE_MS;
    t.equal(await silent(touched), false, 'for its own lease, which is longer');
    passed += 2 * MINUTE_MS;
    t.equal(await silent(touched), true);
    await writeWriters(store, 'engine', { lease_ms: lease, processes: ['machine:boot:8:1'] });
    t.equal(await silent(touched), true, 'for another process');
    await store.put(`${WRITERS_PREFIX}broken`, [Buffer.from('{')]);
    t.equal(await silent(touched), true, 'what makes no sense vouches for nobody');
  });
}

t.test('gc takes nothing of a writer that is vouched for; of the others it takes what is old', async (t) => {
  promise({
    row: 'gc',
    promise: 'What an image has that an engine vouches for stays, named or not; when nobody does it is named, and goes',
    fault: 'uploads that no record names yet, parts, an old record; with and without an engine that vouches',
  });
  const resources = testResources(t);
  let passed = 0;
  const store = await memoryLsu({}, { clock: () => Date.now() + passed });
  const handle = await createWriteHandle(context(store, resources, { creator: CREATOR }), layout(resources, 'alive'));
  await feed(handle, new Slots(4), randomBytes(2 * MIB));
  await handle.flush();
  const prefix = imagePrefix(handle.imageId);
  // Begun, and not in the record yet.
  await store.createUpload(`${prefix}fragment-000002`);
  passed = 10 * 24 * 60 * MINUTE_MS;
  const options = { pendingOlderThanMs: 0 };
  await writeWriters(store, 'engine', { lease_ms: 60 * MINUTE_MS, processes: [PROCESS] });
  const before = await keysOf(store);
  t.same(await collected(store, options), []);
  t.same(await keysOf(store), before);
  t.equal((await Array.fromAsync(store.listUploads(prefix))).length, 3);
  passed += 60 * MINUTE_MS;
  t.same(await collected(store, { dryRun: true }), ['pending-image ', 'orphan-upload fragment-000002']);
  t.ok((await collected(store, options)).includes('pending-image '));
  t.same(
    (await keysOf(store)).filter((key) => key.startsWith(prefix)),
    [],
  );
  t.same(await Array.fromAsync(store.listUploads(prefix)), []);
  await handle.detach();
  passed += 3 * 24 * 60 * MINUTE_MS;
  t.same(await collected(store), ['leftover engine'], 'what a lost engine had said goes too');
});

t.test('gc looks again before it takes', async (t) => {
  promise({
    row: 'gc',
    promise: 'A collection of garbage takes nothing of a backup that begins or goes on behind its back',
    fault: 'a record, a fragment of another image, a manifest appear between the listing of gc and its deletions',
  });
  const resources = testResources(t);
  const inner = await memoryLsu();
  const data = randomBytes(2 * MIB);
  const writer = await ImageWriter.create(inner, resources, writerOptions(resources, 'goes-on'));
  const names = ['begins', 'goes-on', 'completes'].map((name) => imagePrefix(imageIdOf(identity(name))));
  await inner.put(`${names[0]}fragment-000001`, [data]);
  await inner.put(`${names[2]}fragment-000001`, [data]);
  const upload = await inner.createUpload(`${names[1]}fragment-000009`);
  let listed = false;
  const store = wrapStore(inner, {
    list: async function* (options) {
      const all = await Array.fromAsync(inner.list(options));
      if (listed) {
        yield* all;
        return;
      }
      listed = true;
      // All that gc knows is from before.
      const handle = await createWriteHandle(context(inner, resources), layout(resources, 'begins'));
      await handle.detach();
      await writer.write(0, data);
      await inner.put(`${names[2]}${MANIFEST}`, [Buffer.from('{}')]);
      yield* all;
    },
  });
  const found = await collected(store, { now: Date.now() + 1000 });
  t.same(
    found.filter((what) => !what.includes('orphan-upload')),
    [],
  );
  t.same(
    found.filter((what) => what.includes('fragment-000009')),
    ['orphan-upload fragment-000009'],
    'what no record names is named',
  );
  await t.rejects(upload.listParts(), refusal('not-found'));
  for (const prefix of [names[0], names[2]]) t.ok(await inner.head(`${prefix}fragment-000001`));
  await writer.abort(new Error('enough'));
});

t.test('a manifest’s upload that somebody dropped is begun anew, unless the image is gone', async (t) => {
  promise({
    row: 'gc',
    promise:
      'An image whose upload of the manifest was dropped by gc or by the store is committed all the same; one that is deleted meanwhile stays deleted',
    fault: 'the upload is aborted before the commit; the image is deleted before each request of its commit, in turn',
  });
  const resources = testResources(t);
  const data = randomBytes(2 * MIB);
  const begin = async (store: ObjectStore) => {
    const handle = await createWriteHandle(context(store, resources), layout(resources, 'x'));
    await feed(handle, new Slots(4), data);
    await handle.flush();
    return handle;
  };
  const prefix = imagePrefix(imageIdOf(identity('x')));
  const dropFence = async (store: ObjectStore): Promise<void> => {
    const { fence = '' } = await readPending(store, prefix);
    await store.resumeUpload(`${prefix}${MANIFEST}`, fence).abort();
  };
  const store = await memoryLsu();
  const handle = await begin(store);
  await dropFence(store);
  await handle.close('complete', data.byteLength);
  t.ok((await readImage(store, resources, handle.imageId)).equals(data));

  let committed = 0;
  let deleted = 0;
  for (let nth = 1; committed === 0; nth += 1) {
    const inner = await memoryLsu();
    let requests = 0;
    let closing = false;
    const meddle = async (): Promise<void> => {
      if (!closing) return;
      requests += 1;
      if (requests !== nth) return;
      closing = false;
      await deleteImage(inner, imageIdOf(identity('x')));
    };
    const wrapped = (upload: Upload): Upload => ({
      key: upload.key,
      id: upload.id,
      listParts: (options) => upload.listParts(options),
      abort: (options) => upload.abort(options),
      putPart: async (part, options) => meddle().then(() => upload.putPart(part, options)),
      complete: async (parts, options) => meddle().then(() => upload.complete(parts, options)),
    });
    const meddled = wrapStore(inner, {
      list: async function* (options) {
        await meddle();
        yield* inner.list(options);
      },
      put: async (key, body, options) => meddle().then(() => inner.put(key, body, options)),
      createUpload: async (key, options) => meddle().then(async () => wrapped(await inner.createUpload(key, options))),
      resumeUpload: (key, id) => wrapped(inner.resumeUpload(key, id)),
    });
    const one = await begin(meddled);
    await dropFence(inner);
    closing = true;
    const outcome = await one.close('complete', data.byteLength).then(
      () => 'committed',
      () => 'failed',
    );
    if (requests < nth) {
      t.equal(outcome, 'committed');
      committed += 1;
    } else {
      deleted += 1;
      t.equal(outcome, 'failed', `deleted before request ${nth}`);
      t.equal(await inner.head(`${prefix}${MANIFEST}`), undefined, 'and does not come back');
    }
  }
  t.ok(deleted > 5, `${deleted} requests of a commit`);
});

t.test('a silent writer without a fence keeps its image; the terms of an image follow one another', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const reopen = (creator: string) =>
    reopenWriteHandle(context(store, resources, { creator }), identity('x'), { ...TUNING, takeOver: () => true });
  const first = await createWriteHandle(context(store, resources, { creator: 'a' }), layout(resources, 'x'));
  const prefix = imagePrefix(first.imageId);
  const { fence: _, ...bare } = await readPending(store, prefix);
  const bytes = Buffer.from(JSON.stringify(bare));
  await store.put(`${prefix}pending`, [bytes]);
  await t.rejects(reopen('b'), refusal('busy', { code: 'VOST_IMAGE_BUSY' }));
  await first.detach();
  await deleteImage(store, first.imageId);

  const data = randomBytes(3 * MIB + 512);
  const again = await createWriteHandle(context(store, resources, { creator: 'a' }), layout(resources, 'x'));
  await again.detach();
  let left = again;
  for (const [nth, creator] of ['b', 'c', 'd'].entries()) {
    const handle = await reopen(creator);
    await handle.writeMeta(3, Buffer.from(creator));
    await feed(handle, new Slots(4), data.subarray(0, (nth + 1) * MIB + 512));
    await handle.close('incomplete', (nth + 1) * MIB + 512);
    // Open again, and left so.
    left = await reopenWriteHandle(context(store, resources, { creator: `${creator}2` }), identity('x'), TUNING);
    await left.detach();
  }
  const terms = (await readPending(store, prefix)).handle?.terms ?? [];
  t.same(
    terms.map(({ term, journal }) => [Number(term.slice(0, 6)), journal]),
    [
      [1, 0],
      [2, 1],
      [3, 2],
    ],
  );
  const last = await reopen('last');
  t.equal(Buffer.from(await last.readMeta(3)).toString(), 'd');
  await feed(last, new Slots(4), data);
  const manifest = await last.close('complete', data.byteLength);
  t.match(
    manifest?.fragments.map(({ name }) => name),
    [
      /^fragment-000001\.000001-/,
      /^fragment-000002\.000002-/,
      /^fragment-000003\.000003-/,
      /^fragment-000004\.000004-/,
    ],
  );
  t.ok((await readImage(store, resources, last.imageId)).equals(data));
  t.notMatch((await keysOf(store)).join(), /pending|journal|tail|held/);
});

t.test('a small backup that stood still for long sees whether gc took it', async (t) => {
  promise({
    row: 'gc',
    promise: 'A backup that stood still is complete only when all of it is still there',
    fault: 'an image without a record, whose fragment gc takes while its writer stands still before the manifest',
  });
  const resources = testResources(t);
  const now = performance.now.bind(performance);
  t.teardown(() => Object.assign(performance, { now }));
  for (const taken of [false, true]) {
    const store = await memoryLsu();
    Object.assign(performance, { now });
    const writer = await ImageWriter.create(store, resources, writerOptions(resources, 'small'));
    await writer.write(0, randomBytes(1000));
    let index = false;
    const prefix = imagePrefix(writer.imageId);
    const paused = store.put.bind(store);
    Object.assign(store, {
      put: async (...args: Parameters<typeof paused>) => {
        const info = await paused(...args);
        if (!args[0].endsWith('/index') || index) return info;
        index = true;
        Object.assign(performance, { now: () => now() + 10 * MINUTE_MS });
        if (taken) await collected(store, { now: Date.now() + 1000 });
        return info;
      },
    });
    if (taken) {
      const error = await writer.commit().catch((caught: Error) => caught);
      t.match(error, refusal('integrity', { code: 'VOST_LOST_PART' }));
      await writer.abort(error as Error);
      t.equal(await store.head(`${prefix}${MANIFEST}`), undefined);
    } else {
      await writer.commit();
      t.same(
        (await keysOf(store)).map((key) => key.slice(prefix.length)),
        ['fragment-000001', 'image.meta', 'index'],
      );
    }
  }
});
