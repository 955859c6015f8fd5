import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { findImage, listImages } from '../../src/image/catalog.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { deleteImage } from '../../src/image/delete-image.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import { fragmentName, imagePrefix, PENDING } from '../../src/image/names.ts';
import { parseSubset } from '../../src/image/subset.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import {
  identity,
  keysOf,
  MIB,
  memoryLsu,
  objectBytes,
  randomBytes,
  testResources,
  writeImage,
  writerOptions,
} from './support.ts';

const names = async (store: ObjectStore): Promise<string[]> => {
  const found: string[] = [];
  for await (const entry of listImages(store)) found.push(`${entry.state} ${entry.imageId.split('_')[0]}`);
  return found;
};

t.test('a listing shows complete, pending and damaged images and passes foreign objects over', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  for (let nth = 0; nth < 20; nth += 1)
    await writeImage(store, resources, writerOptions(resources, `img${String(nth).padStart(2, '0')}`), randomBytes(10));
  const open = await ImageWriter.create(store, resources, writerOptions(resources, 'open'));
  await open.write(0, randomBytes(2 * MIB));
  while (open.progress.acknowledged === 0) await new Promise(setImmediate);
  await store.put('netbackup/readme', [Buffer.from('not ours')]);
  await store.put(`${imagePrefix(imageIdOf(identity('broken')))}image.meta`, [Buffer.from('{')]);
  await store.put(`${imagePrefix(imageIdOf(identity('orphan')))}fragment-000001`, [Buffer.from('x')]);
  t.same(await names(store), [
    'damaged broken',
    ...Array.from({ length: 20 }, (_, nth) => `complete img${String(nth).padStart(2, '0')}`),
    'pending open',
  ]);
  await open.abort(new Error('enough'));
  t.notOk((await names(store)).includes('pending open'));
});

t.test('a listing asks once for each image: what the folders showed is not asked for again', async (t) => {
  const resources = testResources(t);
  const inner = await memoryLsu();
  for (const name of ['a', 'b']) await writeImage(inner, resources, writerOptions(resources, name), randomBytes(10));
  const open = await ImageWriter.create(inner, resources, writerOptions(resources, 'c'));
  await open.write(0, randomBytes(2 * MIB));
  while (open.progress.acknowledged === 0) await new Promise(setImmediate);
  const asked: string[] = [];
  const store = wrapStore(inner, {
    head: (key, options) => {
      asked.push(`head ${key}`);
      return inner.head(key, options);
    },
    read: (key, offset, into, options) => {
      asked.push(`read ${key}`);
      return inner.read(key, offset, into, options);
    },
  });
  t.same(await names(store), ['complete a', 'complete b', 'pending c']);
  const key = (name: string, object: string) => `read ${imagePrefix(imageIdOf(identity(name)))}${object}`;
  t.same(asked, [key('a', 'image.meta'), key('b', 'image.meta'), key('c', PENDING)]);
  await open.abort(new Error('enough'));
});

t.test('a record that is replaced while it is listed is read as it is then', async (t) => {
  const resources = testResources(t);
  const inner = await memoryLsu();
  const image = await writeImage(inner, resources, writerOptions(resources, 'img'), randomBytes(10));
  const key = `${imagePrefix(image.imageId)}image.meta`;
  const whole = await objectBytes(inner, key);
  // What the folder shows is of a record that was shorter.
  await inner.put(key, [whole.subarray(0, 40)]);
  const store = wrapStore(inner, {
    read: async (at, offset, into, options) => {
      await inner.put(key, [whole]);
      return inner.read(at, offset, into, options);
    },
  });
  t.same(await names(store), ['complete img']);
});

t.test('a name finds its image; several of one name ask for the date', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const put = (name: string, date: string) =>
    writeImage(
      store,
      resources,
      writerOptions(resources, name, { identity: identity(name, { date }) }),
      Buffer.from(date),
    );
  const first = await put('db', '100');
  await put('db', '200');
  const odd = await put('with:colon and space', '300');
  await put('db_x', '400');
  await t.rejects(findImage(store, 'db'), refusal('usage', { code: 'VOST_AMBIGUOUS', message: /db:100, db:200/ }));
  t.equal((await findImage(store, 'db:100')).imageId, first.imageId);
  t.equal((await findImage(store, first.imageId)).imageId, first.imageId);
  t.equal((await findImage(store, 'with:colon and space')).imageId, odd.imageId);
  t.equal((await findImage(store, 'with:colon and space:300')).imageId, odd.imageId);
  for (const missing of ['d', 'db:300', 'nothing', 'a_b_0123456789abcdef'])
    await t.rejects(findImage(store, missing), refusal('not-found'));
});

t.test('deleting removes complete and pending images whole, is idempotent, and spares the neighbours', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const keep = await writeImage(store, resources, writerOptions(resources, 'keep'), randomBytes(3 * MIB));
  const gone = await writeImage(store, resources, writerOptions(resources, 'gone'), randomBytes(3 * MIB));
  const order: string[] = [];
  const watched = wrapStore(store, {
    delete: async (keys: readonly string[], options?: object) => {
      order.push(...keys.map((key) => key.split('/').at(-1) ?? ''));
      return store.delete(keys, options);
    },
  });
  t.equal(await deleteImage(watched, gone.imageId), true);
  t.equal(order[0], 'image.meta', 'the manifest goes first');
  t.equal(await deleteImage(store, gone.imageId), false);
  const open = await ImageWriter.create(store, resources, writerOptions(resources, 'open'));
  await open.write(0, randomBytes(2 * MIB));
  while (open.progress.acknowledged === 0) await new Promise(setImmediate);
  t.equal(await deleteImage(store, open.imageId), true);
  await t.rejects(
    open.write(2 * MIB, randomBytes(4 * MIB)).then(() => open.commit()),
    refusal('not-found'),
  );
  await open.abort(new Error('deleted'));
  t.same(await names(store), ['complete keep']);
  t.ok((await keysOf(store)).every((key) => key.startsWith(imagePrefix(keep.imageId))));
});

t.test(
  'a complete image beside its writer’s leftover never looks unfinished, wherever its deletion is cut short',
  async (t) => {
    promise({
      row: 'host loss',
      promise: 'A deletion that is cut short leaves the image complete or gone, never unfinished',
      fault:
        'each request of a deletion fails, in turn; the pending record is still there because its removal had failed',
    });
    const resources = testResources(t);
    for (let cut = 0; cut < 4; cut += 1) {
      const store = await memoryLsu();
      let pending: Buffer | undefined;
      const writing = wrapStore(store, {
        delete: async (keys: readonly string[], options?: object) => {
          if (keys.some((key) => key.endsWith(`/${PENDING}`))) pending = await objectBytes(store, keys[0] ?? '');
          await store.delete(keys, options);
        },
      });
      const { imageId } = await writeImage(writing, resources, writerOptions(resources, 'twice'), randomBytes(MIB));
      t.ok(pending, 'there was a record');
      await store.put(`${imagePrefix(imageId)}${PENDING}`, [pending ?? Buffer.alloc(0)]);
      t.same(await names(store), ['complete twice']);
      let left = cut;
      const broken = wrapStore(store, {
        delete: async (keys: readonly string[], options?: object) => {
          left -= 1;
          if (left < 0) throw new EngineError('VOST_STORE_UNAVAILABLE', 'retryable', 'cut short');
          await store.delete(keys, options);
        },
      });
      await deleteImage(broken, imageId).catch(() => undefined);
      const found = await names(store);
      t.ok(found.length === 0 || found[0] === 'complete twice', `${cut}: ${found}`);
    }
  },
);

t.test('gc removes what is old and needed by nobody, and nothing else', async (t) => {
  promise({
    row: 'gc',
    promise: 'gc removes what is old and needed by nobody, and nothing else',
    fault: 'orphan uploads, orphan objects, unfinished images, foreign keys, young ones',
  });
  const resources = testResources(t);
  const store = await memoryLsu();
  const { imageId } = await writeImage(store, resources, writerOptions(resources, 'keep'), randomBytes(3 * MIB));
  const before = await keysOf(store);
  const orphan = imagePrefix(imageIdOf(identity('orphan')));
  await store.put(`${orphan}fragment-000001`, [Buffer.from('x')]);
  await store.put(`${orphan}index`, [Buffer.from('x')]);
  await store.put(`${imagePrefix(imageId)}journal-000001`, [Buffer.from('left over')]);
  await store.put('netbackup/readme', [Buffer.from('not ours')]);
  const upload = await store.createUpload(`${orphan}${fragmentName(2)}`);
  await upload.putPart({ number: 1, offset: 0, size: 3, body: [Buffer.from('abc')] });
  const living = await ImageWriter.create(store, resources, writerOptions(resources, 'living'));
  await living.write(0, randomBytes(2 * MIB));
  while (living.progress.acknowledged === 0) await new Promise(setImmediate);

  const run = async (options: { olderThanMs: number; dryRun: boolean; pendingOlderThanMs?: number }) => {
    const found: string[] = [];
    for await (const { kind, key, removed } of collectGarbage(store, { ...options, now: Date.now() + 3_600_000 }))
      found.push(`${kind} ${key.split('/').at(-1)} ${removed}`);
    return found.sort();
  };
  t.same(await run({ olderThanMs: 7_200_000, dryRun: false }), [], 'young things are spared');
  const all = [
    'leftover journal-000001',
    'orphan-object fragment-000001',
    'orphan-object index',
    'orphan-upload fragment-000002',
    'pending-image ',
  ];
  t.same(
    await run({ olderThanMs: 1000, dryRun: true }),
    all.map((line) => `${line} false`),
  );
  t.same(
    await run({ olderThanMs: 1000, dryRun: false }),
    all.map((line) => `${line} ${!line.startsWith('pending')}`),
  );
  await living.commit();
  t.same(await run({ olderThanMs: 1000, dryRun: false, pendingOlderThanMs: 1000 }), []);
  await deleteImage(store, living.imageId);
  t.same(await keysOf(store), [...before, 'netbackup/readme']);
});

t.test('subsets cover what they promise', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const { imageId } = await writeImage(store, resources, writerOptions(resources, 'x'), randomBytes(10 * MIB));
  const reader = await ImageReader.open(store, resources, imageId);
  const bytes = async (subset?: string) =>
    (
      await verifyImage(reader, {
        readAhead: 2,
        subset: subset === undefined ? undefined : parseSubset(subset, reader.manifest.size),
      })
    ).bytes;
  t.equal(await bytes(), 10 * MIB);
  t.equal((await bytes('1/3')) + (await bytes('2/3')) + (await bytes('3/3')), 10 * MIB);
  t.equal(await bytes('100%'), 10 * MIB);
  t.equal(await bytes('1T'), 10 * MIB);
  t.ok((await bytes('1M')) <= 10 * MIB);
  for (const bad of ['', '0/3', '4/3', '0%', '101%', 'x', '-1', '0'])
    t.throws(() => parseSubset(bad, 10), refusal('usage'));
});

t.test(
  'an image that cannot be read while the listing waits for storage fails the listing, and nothing else',
  async (t) => {
    promise({
      row: 'load',
      promise: 'A host that goes away amid a listing harms no other one',
      fault: 'reading a manifest fails while the listing waits for its next page',
    });
    const resources = testResources(t);
    const inner = await memoryLsu();
    for (const name of ['a', 'b']) await writeImage(inner, resources, writerOptions(resources, name), randomBytes(10));
    const fault = new EngineError('VOST_TEST_FAULT', 'aborted', 'the host went away');
    const store = wrapStore(inner, {
      read: () => Promise.reject(fault),
      list: async function* (options) {
        yield* inner.list(options);
        // The rejection has nobody who waits for it yet.
        await nextTurn();
      },
    });
    // A rejection that was left alone would fail this test file, as it would end the engine.
    await t.rejects(names(store), fault);
  },
);
