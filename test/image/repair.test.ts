import t, { type Test } from 'tap';
import { EngineError } from '../../src/errors.ts';
import { copyImage } from '../../src/image/copy-image.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { imagePrefix } from '../../src/image/names.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { type RepairedObject, repairImage } from '../../src/image/repair-image.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots } from './handle-support.ts';
import {
  identity,
  keysOf,
  MIB,
  objectBytes,
  randomBytes,
  readImage,
  testResources,
  textBytes,
  writeImage,
  writerOptions,
} from './support.ts';

const DATA = randomBytes(9 * MIB + 512);
const TEXT = Buffer.concat([textBytes(6 * MIB), randomBytes(MIB, 'more')]);

interface Pair {
  readonly resources: Resources;
  readonly one: ObjectStore;
  readonly two: ObjectStore;
  readonly imageId: string;
}

/** An image with blobs, or a compressed one, and its copy. */
async function pair(t: Test, compress = false): Promise<Pair> {
  const resources = testResources(t, 64 * MIB);
  const storage = new MemoryStorage();
  for (const lsu of ['one', 'two']) await storage.createLsu(lsu);
  const [one, two] = [await storage.open('one'), await storage.open('two')];
  let imageId: string;
  if (compress) {
    ({ imageId } = await writeImage(one, resources, writerOptions(resources, 'image', { compress }), TEXT));
  } else {
    const handle = await createWriteHandle(context(one, resources), layout(resources, 'image'));
    await handle.writeMeta(3, Buffer.from('a blob of the host'));
    await feed(handle, new Slots(4), DATA);
    await handle.close('complete', DATA.byteLength);
    imageId = handle.imageId;
  }
  await copyImage({ store: one, imageId }, { store: two, identity: identity('image') }, resources);
  return { resources, one, two, imageId };
}

/** Flip one bit of an object, as a disk may. */
async function flip(store: ObjectStore, key: string, at: number, bit = 0): Promise<void> {
  const bytes = await objectBytes(store, key);
  const place = at < 0 ? bytes.byteLength + at : at;
  bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
  await store.put(key, [bytes]);
}

async function verify({ resources }: Pair, store: ObjectStore, imageId: string): Promise<void> {
  await verifyImage(await ImageReader.open(store, resources, imageId), { readAhead: 2 });
}

const states = (objects: readonly RepairedObject[], state: string): string[] =>
  objects.filter((object) => object.state === state).map(({ name }) => name);

async function snapshotOf(store: ObjectStore): Promise<Map<string, string>> {
  const keys = await keysOf(store);
  return new Map(
    await Promise.all(keys.map(async (key) => [key, (await objectBytes(store, key)).toString('base64')] as const)),
  );
}

interface Flip {
  readonly what: string;
  readonly object: string;
  readonly at: number;
  readonly compress?: boolean;
  readonly code: string;
  readonly details?: Record<string, unknown>;
  readonly message: RegExp;
}

const FLIPS: readonly Flip[] = [
  {
    what: 'a fragment',
    object: 'fragment-000001',
    at: 5 * MIB + 77,
    code: 'VOST_CORRUPT',
    message: /image one\/image_.*: the bytes from offset 5242880 on \(chunk 5, leaf 0\)/,
    details: { lsu: 'one', offset: 5 * MIB, chunk: 5, leaf: 0 },
  },
  {
    what: 'a compressed frame',
    object: 'fragment-000001',
    at: 3000,
    compress: true,
    code: 'VOST_CORRUPT',
    message: /image one\/image_.*chunk 0/,
    details: { lsu: 'one', offset: 0, chunk: 0 },
  },
  { what: 'the magic of the index', object: 'index', at: 3, code: 'VOST_BAD_INDEX', message: /one\/netbackup.*index/ },
  { what: 'a page of the index', object: 'index', at: 100, code: 'VOST_BAD_INDEX', message: /offset 0 on/ },
  { what: 'the footer of the index', object: 'index', at: -30, code: 'VOST_BAD_INDEX', message: /footer/ },
  { what: 'a blob', object: 'meta-3', at: 2, code: 'VOST_CORRUPT', message: /one\/netbackup\/image_.*meta-3/ },
  {
    what: 'the syntax of the manifest',
    object: 'image.meta',
    at: 0,
    code: 'VOST_BAD_RECORD',
    message: /not valid JSON/,
  },
];

for (const { what, object, at, compress = false, code, message, details = {} } of FLIPS) {
  t.test(`a bit flipped at rest in ${what} is told, and healed from a copy`, async (t) => {
    promise({
      row: 'integrity',
      promise: 'A bit that flips at rest is told with its image and place, and healed from a copy',
      fault: 'one bit of a fragment, a compressed frame, the index (magic, page, footer), a blob, the manifest',
    });
    const both = await pair(t, compress);
    const { resources, one, two, imageId } = both;
    const before = await snapshotOf(one);
    await flip(one, `${imagePrefix(imageId)}${object}`, at);
    const damaged = await snapshotOf(one);
    const error: unknown = await verify(both, one, imageId).catch((error: unknown) => error);
    t.ok(error instanceof EngineError);
    t.match(error, { code, failure: 'integrity', message, details });

    const [to, from] = [
      { store: one, imageId },
      { store: two, imageId },
    ];
    const named = await repairImage(to, from, resources, { readAhead: 2, dryRun: true });
    t.strictSame(states(named, 'damaged'), [object]);
    t.strictSame(await snapshotOf(one), damaged, 'a dry run changes nothing');
    const healed = await repairImage(to, from, resources, { readAhead: 2 });
    t.strictSame(states(healed, 'healed'), [object]);
    t.equal(states(healed, 'good').length, healed.length - 1);
    await verify(both, one, imageId);
    t.ok((await readImage(one, resources, imageId)).equals(compress ? TEXT : DATA));
    const after = await snapshotOf(one);
    if (object === 'image.meta')
      after.set(`${imagePrefix(imageId)}${object}`, before.get(`${imagePrefix(imageId)}${object}`) ?? '');
    t.strictSame(after, before, 'it is as it was');
    t.strictSame(await Array.fromAsync(one.listUploads('')), [], 'nothing is left over');
    t.equal(resources.budget.used, 0);
  });
}

t.test('a number of the manifest that still makes sense is proven wrong by the index', async (t) => {
  promise({
    row: 'integrity',
    promise: 'A manifest that still makes sense but lies is proven wrong by the index, and healed',
    fault: 'checksum, version, stage, size of the manifest changed',
  });
  const both = await pair(t);
  const { resources, one, two, imageId } = both;
  const key = `${imagePrefix(imageId)}image.meta`;
  const text = String(await objectBytes(one, key));
  const kept = text.replace('"policy": "', '"policy": "other ');
  for (const [what, wrong] of [
    ['checksum', kept.replace(/sha256-tree:(.)/, (_, digit: string) => `sha256-tree:${digit === '0' ? '1' : '0'}`)],
    ['version', kept.replace('"version": 1', '"version": 3')],
    ['stage', kept.replace('"name": "checksum"', '"name": "checkrum"')],
    ['size', kept.replace(/"size": \d+/, '"size": 9437183')],
  ] as const) {
    await one.put(key, [Buffer.from(wrong)]);
    await t.rejects(verify(both, one, imageId), what);
    const healed = await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 2 });
    t.strictSame(states(healed, 'healed'), ['image.meta'], what);
    // A manifest that cannot be read at all tells nothing.
    const policy = what === 'version' ? 'policy' : 'other policy';
    t.match(String(await objectBytes(one, key)), `"policy": "${policy}"`, 'what only the image itself knew stays');
  }
});

t.test('missing and cut-off objects come back; a good image stays untouched', async (t) => {
  const both = await pair(t);
  const { resources, one, two, imageId } = both;
  const prefix = imagePrefix(imageId);
  const [to, from] = [
    { store: one, imageId },
    { store: two, imageId },
  ];
  const never = async (): Promise<never> => {
    throw new Error('a good image was written to');
  };
  const guarded = wrapStore(one, { put: never, putStream: never, createUpload: never, delete: never });
  t.strictSame(
    states(await repairImage({ ...to, store: guarded }, from, resources, { readAhead: 2 }), 'good').length,
    4,
  );
  const whole = await objectBytes(one, `${prefix}fragment-000001`);
  await one.put(`${prefix}fragment-000001`, [whole.subarray(0, -1)]);
  await one.delete([`${prefix}index`, `${prefix}meta-3`, `${prefix}image.meta`]);
  const healed = await repairImage(to, from, resources, { readAhead: 2 });
  t.strictSame(states(healed, 'healed'), ['index', 'fragment-000001', 'meta-3', 'image.meta']);
  await verify(both, one, imageId);
});

t.test(
  'a fragment that is longer or shorter than the manifest says is told by every verification, and healed',
  async (t) => {
    promise({
      row: 'integrity',
      promise: 'Fragments of another size than the manifest says are told, also where no chunk of them is read',
      fault: 'at rest: a fragment cut by one byte, longer by one, gone; verify of a subset without it',
    });
    const both = await pair(t);
    const { resources, one, two, imageId } = both;
    const key = `${imagePrefix(imageId)}fragment-000001`;
    const whole = await objectBytes(one, key);
    for (const wrong of [whole.subarray(0, -1), Buffer.concat([whole, Buffer.from('x')]), undefined]) {
      if (wrong) await one.put(key, [wrong]);
      else await one.delete([key]);
      const reader = await ImageReader.open(one, resources, imageId);
      await t.rejects(
        verifyImage(reader, { readAhead: 2, subset: () => false }),
        refusal('integrity', { code: 'VOST_STORED_SIZE', message: /image one\/image_.*fragment-000001/ }),
      );
      const healed = await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 2 });
      t.strictSame(states(healed, 'healed'), ['fragment-000001']);
      await verify(both, one, imageId);
    }
  },
);

t.test('two copies with different damage make a whole one', async (t) => {
  promise({
    row: 'integrity',
    promise: 'Copies that are damaged in different places make a whole one',
    fault: 'bits flipped in both copies',
  });
  const both = await pair(t);
  const { resources, one, two, imageId } = both;
  const key = `${imagePrefix(imageId)}fragment-000001`;
  await flip(one, key, 10);
  await flip(two, key, 8 * MIB);
  const healed = await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 2 });
  t.strictSame(states(healed, 'healed'), ['fragment-000001']);
  await verify(both, one, imageId);
});

t.test('what no copy has stays as it is, and is told', async (t) => {
  promise({
    row: 'integrity',
    promise: 'What no copy has is told and left as it is; an image that is not whole gets no manifest',
    fault: 'the same chunk and blob damaged in both copies',
  });
  const both = await pair(t);
  const { resources, one, two, imageId } = both;
  const prefix = imagePrefix(imageId);
  for (const store of [one, two]) {
    await flip(store, `${prefix}fragment-000001`, 10);
    await flip(store, `${prefix}meta-3`, 1);
  }
  await flip(one, `${prefix}index`, 100);
  const objects = await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 2 });
  t.strictSame(states(objects, 'healed'), ['index']);
  t.strictSame(states(objects, 'lost'), ['fragment-000001', 'meta-3']);
  t.match(objects.find(({ name }) => name === 'fragment-000001')?.error?.message, /offset 0 on \(chunk 0, leaf 0\)/);
  const before = await snapshotOf(one);
  await one.put(`${prefix}image.meta`, [Buffer.from('{')]);
  const again = await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 2 });
  t.ok(states(again, 'lost').includes('image.meta'), 'an image that is not whole gets no manifest');
  const after = await snapshotOf(one);
  t.strictSame(
    [...after].filter(([key, bytes]) => before.get(key) !== bytes).map(([key]) => key),
    [`${prefix}image.meta`],
  );
  t.strictSame(await Array.fromAsync(one.listUploads('')), []);
});

t.test('another image, an unfinished one, none at all', async (t) => {
  const both = await pair(t);
  const { resources, one, two, imageId } = both;
  const other = await writeImage(two, resources, writerOptions(resources, 'other'), randomBytes(MIB, 'other'));
  const repair = (to: string, from: string): Promise<unknown> =>
    repairImage({ store: one, imageId: to }, { store: two, imageId: from }, resources, { readAhead: 2 });
  const before = await snapshotOf(one);
  await t.rejects(repair(imageId, other.imageId), refusal('usage', { code: 'VOST_NOT_A_COPY' }));
  await t.rejects(repair(other.imageId, imageId), refusal('not-found', { code: 'VOST_NOT_FOUND' }));
  t.strictSame(await snapshotOf(one), before);
  await one.delete([`${imagePrefix(imageId)}image.meta`]);
  await t.rejects(repair(imageId, other.imageId), refusal('integrity', { code: 'VOST_REPAIR_IDENTITY' }));
  await one.put(`${imagePrefix(imageId)}pending`, [Buffer.from('{}')]);
  await t.rejects(repair(imageId, imageId), refusal('busy', { code: 'VOST_IMAGE_PENDING' }));
});

t.test('an image that changes while it is repaired is left alone', async (t) => {
  promise({
    row: 'integrity',
    promise: 'A repair gives way to whoever changes the image meanwhile',
    fault: 'the manifest vanishes amid a repair',
  });
  const both = await pair(t);
  const { resources, one, two, imageId } = both;
  const key = `${imagePrefix(imageId)}fragment-000001`;
  await flip(one, key, 10);
  const damaged = await objectBytes(one, key);
  const racing = wrapStore(one, {
    createUpload: async (key, options) => {
      await one.delete([`${imagePrefix(imageId)}image.meta`]);
      return one.createUpload(key, options);
    },
  });
  await t.rejects(
    repairImage({ store: racing, imageId }, { store: two, imageId }, resources, { readAhead: 2 }),
    refusal('busy', { code: 'VOST_CHANGED' }),
  );
  t.ok((await objectBytes(one, key)).equals(damaged));
  t.strictSame(await Array.fromAsync(one.listUploads('')), []);
});
