import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { findImage } from '../../src/image/catalog.ts';
import { collectGarbage, type Garbage } from '../../src/image/collect-garbage.ts';
import { copyImage } from '../../src/image/copy-image.ts';
import { deleteImage } from '../../src/image/delete-image.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { extendLock, type LockPolicy, lockedUntil } from '../../src/image/image-lock.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { repairImage } from '../../src/image/repair-image.ts';
import { startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore, Retention } from '../../src/vast/store.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots } from './handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, testResources, writeImage, writerOptions } from './support.ts';

const DAY_MS = 86_400_000;
const lock: LockPolicy = { retentionMs: 7 * DAY_MS, minimumMs: DAY_MS, maximumMs: 30 * DAY_MS, mode: 'compliance' };
const near = (time: number, ms: number): boolean => Math.abs(time - (Date.now() + ms)) < 600_000;

/** An LSU with object lock on the simulator, whose clock is ahead by `ahead.ms`. */
async function simulated(
  t: Test,
  ahead = { ms: 0 },
  defaultDays?: number,
): Promise<{ readonly store: ObjectStore; readonly storage: S3Storage }> {
  const keys = { accessKey: 'KEY', secretKey: 'SECRET' };
  const clock = () => Date.now() + ahead.ms;
  const sim = await startS3Sim({ dir: t.testdir({}), ...keys, checksumMode: 'reject', clock });
  const credentials = { accessKeyId: 'KEY', secretAccessKey: 'SECRET' };
  const client = new S3Client({ endpoint: sim.url, region: 'us-east-1', forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: 'lsu', ObjectLockEnabledForBucket: true }));
  if (defaultDays !== undefined) {
    const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: defaultDays } } as const;
    const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule } as const;
    await client.send(new PutObjectLockConfigurationCommand({ Bucket: 'lsu', ObjectLockConfiguration }));
  }
  client.destroy();
  const storage = new S3Storage(new URL(sim.url), { credentials });
  t.teardown(async () => {
    await storage.close();
    await sim.close();
  });
  return { storage, store: await storage.open('lsu') };
}

const named = (garbage: readonly Garbage[]) =>
  garbage.map(({ kind, removed }) => `${kind}${removed ? ' removed' : ''}`);
const collect = (store: ObjectStore, now = Date.now() + 1000) =>
  Array.fromAsync(collectGarbage(store, { olderThanMs: 0, dryRun: false, now }));

t.test('an image on S3: locked when complete, kept, extended, deleted when its time is over', async (t) => {
  const ahead = { ms: 0 };
  const { store } = await simulated(t, ahead);
  const resources = testResources(t);
  // More than one part, so that there is a pending record, which is written several times.
  const slots = new Slots(4);
  const handle = await createWriteHandle(context(store, resources, { lock }), {
    ...layout(resources, 'image'),
    partBytes: 5 * MIB,
  });
  const data = randomBytes(6 * MIB);
  await Promise.all([handle.writeMeta(0, Buffer.from('blob')), feed(handle, slots, data)]);
  const manifest = await handle.close('complete', data.byteLength);
  if (manifest === undefined) throw new Error('not complete');
  const { imageId } = handle;
  t.equal(manifest.lock?.mode, 'compliance');
  for (const key of await keysOf(store))
    t.ok(near((await store.retention?.lockedUntil(key)) ?? 0, lock.retentionMs), `${key} is locked`);
  t.strictSame(await Array.fromAsync(store.history?.hidden('') ?? []), [], 'no version of a record is left');
  t.match(await findImage(store, 'image'), { lockedUntil: Date.parse(manifest.lock?.until ?? '') });

  await t.rejects(deleteImage(store, imageId), refusal('access', { code: 'VOST_WORM_LOCKED' }));
  t.equal((await findImage(store, 'image')).state, 'complete', 'nothing of it was deleted');

  const shorter = extendLock(store, imageId, manifest, { forMs: 2 * DAY_MS }, lock);
  await t.rejects(shorter, refusal('usage', { code: 'VOST_LOCK_SHORTER' }));
  const tooLong = extendLock(store, imageId, manifest, { forMs: 31 * DAY_MS }, lock);
  await t.rejects(tooLong, refusal('usage', { code: 'VOST_WORM_MAXIMUM' }));
  const tooShort = extendLock(store, imageId, manifest, { until: Date.now() + 1000 }, lock);
  await t.rejects(tooShort, refusal('usage', { code: 'VOST_WORM_MINIMUM' }));
  const until = await extendLock(store, imageId, manifest, { forMs: 9 * DAY_MS }, lock);
  t.ok(near(until, 9 * DAY_MS));
  for (const key of await keysOf(store)) t.equal(await store.retention?.lockedUntil(key), until, `${key} for longer`);

  ahead.ms = 8 * DAY_MS;
  await store.retention?.status();
  await t.rejects(deleteImage(store, imageId), refusal('access', { code: 'VOST_WORM_LOCKED' }), 'by the storage clock');
  ahead.ms = 10 * DAY_MS;
  await store.retention?.status();
  t.equal(await lockedUntil(store, imageId), 0);
  t.equal(await deleteImage(store, imageId), true);
  t.strictSame(await keysOf(store), []);
  t.strictSame(await Array.fromAsync(store.history?.hidden('') ?? []), [], 'the space is free');
});

t.test('the clock of the storage counts', async (t) => {
  const resources = testResources(t);
  const skews: number[] = [];
  const policy = { ...lock, onSkew: (ms: number) => skews.push(ms) };
  const write = async (ahead: number, name: string) => {
    const store = await memoryLsu({}, { locks: true, clock: () => Date.now() + ahead });
    const { manifest } = await writeImage(
      store,
      resources,
      writerOptions(resources, name, { lock: policy }),
      Buffer.alloc(512),
    );
    return Date.parse(manifest.lock?.until ?? '') - Date.now();
  };
  t.ok(Math.abs((await write(2_000, 'same')) - lock.retentionMs) < 1_900, 'two seconds are none');
  t.strictSame(skews, []);
  t.ok((await write(300_000, 'ahead')) > lock.retentionMs + 240_000, 'by their clock');
  t.ok((await write(-300_000, 'behind')) < lock.retentionMs - 240_000);
  t.ok(skews.length > 0 && skews.every((ms) => Math.abs(ms) > 240_000), 'and somebody was told');
  const store = await memoryLsu({}, { locks: true, clock: () => Date.now() - 1_000_000 });
  const far = writeImage(store, resources, writerOptions(resources, 'far', { lock: policy }), Buffer.alloc(512));
  await t.rejects(far, refusal('access', { code: 'VOST_CLOCK_SKEW' }));
  t.strictSame(await keysOf(store), [], 'before anything was written');
});

t.test('an LSU that cannot lock is found out before anything is written', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const wanted = refusal('unsupported', { code: 'VOST_NO_LOCKS' });
  await t.rejects(writeImage(store, resources, writerOptions(resources, 'a', { lock }), Buffer.alloc(512)), wanted);
  await t.rejects(createWriteHandle(context(store, resources, { lock }), layout(resources, 'b')), wanted);
  const source = await writeImage(store, resources, writerOptions(resources, 'c'), Buffer.alloc(512));
  const to = { store, identity: identity('copy') };
  await t.rejects(copyImage({ store, imageId: source.imageId }, to, resources, { lock }), wanted);
  t.equal((await keysOf(store)).length, 3, 'only the image that wants no lock');
});

t.test('an image that could not be locked is named, and is not half deleted', async (t) => {
  const resources = testResources(t);
  const inner = await memoryLsu({}, { locks: true });
  const real = inner.retention as Retention;
  let failing = true;
  const retention: Retention = {
    status: (options) => real.status(options),
    lockedUntil: (key, options) => real.lockedUntil(key, options),
    extend: async (keys, ...rest) => {
      if (failing && keys.some((key) => key.endsWith('image.meta'))) throw new Error('the network broke');
      await real.extend(keys, ...rest);
    },
  };
  const store = wrapStore(inner, { retention });
  const write = writeImage(store, resources, writerOptions(resources, 'half', { lock }), Buffer.alloc(512));
  await t.rejects(write, { message: 'the network broke' }, 'it is not reported complete');
  const found = await findImage(store, 'half');
  if (found.state !== 'complete') throw new Error(found.state);
  t.equal(found.lockedUntil, 0);
  t.strictSame(named(await collect(store)), ['unlocked-image']);
  await t.rejects(deleteImage(store, found.imageId), refusal('access', { code: 'VOST_WORM_LOCKED' }));
  t.equal((await findImage(store, 'half')).state, 'complete');
  failing = false;
  await extendLock(store, found.imageId, found.manifest, { until: Date.parse(found.manifest.lock?.until ?? '') }, lock);
  t.strictSame(named(await collect(store)), []);
});

t.test('copies get a lock of their own', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu({}, { locks: true });
  const source = await writeImage(store, resources, writerOptions(resources, 'a', { lock }), Buffer.alloc(512));
  const from = { store, imageId: source.imageId };
  const plain = await copyImage(from, { store, identity: identity('plain') }, resources);
  t.equal(plain.lock, undefined, 'the lock of the source is not copied');
  const policy = { ...lock, retentionMs: 2 * DAY_MS };
  const locked = await copyImage(from, { store, identity: identity('locked') }, resources, { lock: policy });
  t.ok(near(Date.parse(locked.lock?.until ?? ''), 2 * DAY_MS));
  const entry = await findImage(store, 'locked');
  t.ok(entry.state === 'complete' && near(entry.lockedUntil, 2 * DAY_MS));
});

t.test('a default retention keeps replaced records; gc names them until they can go', async (t) => {
  const ahead = { ms: 0 };
  const { store } = await simulated(t, ahead, 1);
  const resources = testResources(t);
  const slots = new Slots(4);
  const handle = await createWriteHandle(context(store, resources), {
    ...layout(resources, 'image'),
    partBytes: 5 * MIB,
  });
  await feed(handle, slots, randomBytes(MIB));
  await handle.close('complete', MIB);
  const before = named(await collect(store));
  t.ok(before.length > 0 && before.every((what) => what === 'hidden-version'), 'named, not removed');
  await t.rejects(deleteImage(store, handle.imageId), refusal('access', { code: 'VOST_WORM_LOCKED' }));
  ahead.ms = 2 * DAY_MS;
  await store.retention?.status();
  t.strictSame(
    named(await collect(store, Date.now() + ahead.ms)),
    before.map((what) => `${what} removed`),
  );
  t.equal(await deleteImage(store, handle.imageId), true);
  t.strictSame(await Array.fromAsync(store.history?.hidden('') ?? []), []);
});

t.test('what is repaired of a locked image is locked for as long', async (t) => {
  const { store, storage } = await simulated(t);
  const resources = testResources(t);
  await storage.createLsu('copies');
  const copies = await storage.open('copies');
  const made = await writeImage(store, resources, writerOptions(resources, 'image', { lock }), randomBytes(6 * MIB));
  const imageId = imageIdOf(identity('image'));
  await copyImage({ store, imageId }, { store: copies, identity: identity('image') }, resources);
  const prefix = `netbackup/${imageId}/`;
  const until = Date.parse(made.manifest.lock?.until ?? '');
  for (const name of ['fragment-000001', 'index', 'image.meta']) {
    const wrong = Buffer.from('what a damaged object may look like');
    await store.put(`${prefix}${name}`, [wrong]);
    // As a disk would have done it: the lock is still that of the object.
    await store.retention?.extend([`${prefix}${name}`], until, 'compliance');
    const from = { store: copies, imageId };
    const objects = await repairImage({ store, imageId }, from, resources, { readAhead: 2 });
    t.strictSame(
      objects.filter(({ state }) => state === 'healed').map((object) => object.name),
      [name],
    );
    t.equal(await store.retention?.lockedUntil(`${prefix}${name}`), until, name);
  }
  await t.rejects(deleteImage(store, imageId), refusal('access', { code: 'VOST_WORM_LOCKED' }));
});
