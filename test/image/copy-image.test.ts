import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import { copyImage } from '../../src/image/copy-image.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { openReadHandle } from '../../src/image/read-handle.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots } from './handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, readImage, testResources } from './support.ts';

const DATA = randomBytes(9 * MIB + 512);

async function source(t: Parameters<typeof testResources>[0], store: ObjectStore): Promise<string> {
  const resources = testResources(t);
  const handle = await createWriteHandle(context(store, resources), layout(resources, 'from'));
  await handle.writeMeta(3, Buffer.from('blob'));
  await feed(handle, new Slots(4), DATA);
  await handle.close('complete', DATA.byteLength);
  return handle.imageId;
}

for (const sameStorage of [true, false]) {
  t.test(`a copy stands alone, ${sameStorage ? 'made by the store' : 'through memory'}`, async (t) => {
    const resources = testResources(t, 8 * MIB);
    const storage = new MemoryStorage();
    for (const lsu of ['one', 'two']) await storage.createLsu(lsu);
    const [one, two] = [await storage.open('one'), await storage.open('two')];
    const imageId = await source(t, one);
    for (const [store, name] of [
      [one, 'other'],
      [two, 'from'],
    ] as const) {
      const seen: number[] = [];
      const to = { store, identity: identity(name) };
      const onProgress = (copied: number, total: number): number => seen.push(copied / total);
      const manifest = await copyImage({ store: one, imageId }, to, resources, { sameStorage, onProgress });
      t.equal(manifest.image_name, name);
      t.equal(manifest.creator, undefined);
      t.equal(seen.at(0), 0);
      t.equal(seen.at(-1), 1);
      t.same(
        seen,
        [...seen].sort((a, b) => a - b),
      );
    }
    for await (const { key } of one.list({ prefix: `netbackup/${imageId}/` })) await one.delete([key]);
    for (const [store, name] of [
      [one, 'other'],
      [two, 'from'],
    ] as const) {
      t.ok((await readImage(store, resources, imageIdOf(identity(name)))).equals(DATA));
      const handle = await openReadHandle(context(store, resources), identity(name));
      t.equal(Buffer.from(await handle.readMeta(3)).toString(), 'blob');
      await handle.close();
      t.notMatch((await keysOf(store)).join(' '), /pending/);
    }
    t.equal(resources.budget.used, 0);
  });
}

t.test('what is there already is not copied over; what is not there cannot be copied', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const imageId = await source(t, store);
  const copy = (name: string, from = imageId) =>
    copyImage({ store, imageId: from }, { store, identity: identity(name) }, resources, { sameStorage: true });
  await t.rejects(copy('from'), refusal('exists'));
  await t.rejects(copy('x', imageIdOf(identity('none'))), refusal('not-found'));
  const pending = await createWriteHandle(context(store, resources), layout(resources, 'busy'));
  await t.rejects(copy('busy'), refusal('exists'));
  await pending.close('abandon', 0);
});

t.test('a target with smaller limits says so', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const imageId = await source(t, store);
  const small = await memoryLsu({ maxObjectBytes: 4 * MIB });
  const copy = copyImage({ store, imageId }, { store: small, identity: identity('x') }, resources);
  await t.rejects(copy, refusal('capacity'));
  t.same(await keysOf(small), []);
});

t.test('stopped or failing at any step, a copy leaves nothing', async (t) => {
  promise({
    row: 'gc',
    promise: 'A copy that stops or fails leaves nothing',
    fault: 'an abort or failure at each step of a copy',
  });
  const resources = testResources(t, 8 * MIB);
  const inner = await memoryLsu();
  const imageId = await source(t, inner);
  for (const sameStorage of [true, false]) {
    for (const cancel of [true, false]) {
      for (let at = 1; ; at += 1) {
        const target = await memoryLsu();
        const controller = new AbortController();
        const fault = new EngineError('VOST_TEST_FAULT', 'access', `step ${at} fails`);
        let steps = 0;
        const step = async <T>(run: () => Promise<T>): Promise<T> => {
          steps += 1;
          if (steps !== at) return run();
          if (!cancel) throw fault;
          controller.abort();
          return run();
        };
        const store = wrapStore(sameStorage ? inner : target, {
          put: (key, body, options) => step(() => (sameStorage ? inner : target).put(key, body, options)),
          copy: (from, key, options) => step(() => inner.copy(from, key, options)),
          createUpload: (key, options) => step(() => target.createUpload(key, options)),
        });
        const { signal } = controller;
        const to = { store, identity: identity('copy') };
        const result = await copyImage({ store: inner, imageId }, to, resources, { sameStorage, signal }).catch(
          (error: unknown) => error,
        );
        const left = (await keysOf(store)).filter((key) => !key.includes(imageId));
        if (!(result instanceof Error)) {
          t.ok(at > 3, `${at - 1} steps`);
          t.ok((await readImage(store, resources, imageIdOf(identity('copy')))).equals(DATA));
          await inner.delete(left.filter(() => sameStorage));
          break;
        }
        t.match(result, cancel ? refusal('aborted') : fault);
        const visible = [];
        for await (const entry of listImages(store)) if (entry.state === 'complete') visible.push(entry.imageId);
        t.same(visible, sameStorage ? [imageId] : [], 'no copy is visible');
        // A manifest that was sent may be there: what it names stays.
        if (!left.some((key) => key.endsWith('pending'))) t.same(left, []);
        else t.equal(steps, at, `at the manifest: ${left}`);
        await inner.delete(left.filter(() => sameStorage));
        const uploads = [];
        for await (const upload of store.listUploads('')) uploads.push(upload);
        t.same(uploads, []);
        t.equal(resources.budget.used, 0);
      }
    }
  }
});
