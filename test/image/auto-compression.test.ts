import { spawnSync } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { compressionStages } from '../../src/config/compression.ts';
import { copyImage } from '../../src/image/copy-image.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import { imagePrefix } from '../../src/image/names.ts';
import { createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import { repairImage } from '../../src/image/repair-image.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import { createResources, type Resources } from '../../src/pipeline/resources.ts';
import { StageRegistry } from '../../src/pipeline/stage-registry.ts';
import { checksumStage } from '../../src/stages/checksum.ts';
import { createLz4Stage } from '../../src/stages/lz4/lz4-stage.ts';
import type { Verdict } from '../../src/stages/lz4/pilot.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import {
  identity,
  keysOf,
  MIB,
  memoryLsu,
  objectBytes,
  randomBytes,
  readImage,
  testResources,
  textBytes,
  writeImage,
  writerOptions,
} from './support.ts';

/** Resources whose chunks are compressed as it is said, over and over again. */
function decided(t: Test, verdicts: readonly Verdict[]): Resources {
  let asked = 0;
  const ask = (): Verdict => verdicts[asked++ % verdicts.length] ?? 'store';
  const stages = new StageRegistry();
  stages.register(checksumStage);
  stages.register(createLz4Stage(undefined, () => ({ begin: () => undefined, ask, saw: () => undefined })));
  const resources = createResources(bridge, 64 * MIB, stages);
  t.teardown(() => {
    resources.slabs.close();
    if (resources.budget.used !== 0) throw new Error(`${resources.budget.used} bytes were never given back`);
  });
  return resources;
}

const auto = (resources: Resources) => ({ stages: compressionStages('auto', resources.stages) });

async function storedBytes(store: ObjectStore, resources: Resources, imageId: string): Promise<Buffer> {
  const { manifest } = await ImageReader.open(store, resources, imageId);
  const fragments = manifest.fragments.map(({ name }) => objectBytes(store, `${imagePrefix(imageId)}${name}`));
  return Buffer.concat(await Promise.all(fragments));
}

const kinds = fc.array(fc.record({ text: fc.boolean(), length: fc.integer({ min: 1, max: 2 * MIB }) }), {
  maxLength: 4,
});
const bytesOf = (pieces: readonly { readonly text: boolean; readonly length: number }[]): Buffer =>
  Buffer.concat(pieces.map(({ text, length }) => (text ? textBytes(length) : randomBytes(length))));

t.test('chunks of both kinds in one image: it comes back, and lz4 -d reads its fragments', async (t) => {
  promise({
    row: '10',
    promise:
      'An image of which some chunks are compressed and some are not comes back bit for bit, with us and with lz4 -d',
    fault: 'random decisions, random data, handles that others continue (fast-check)',
  });
  const lz4 = spawnSync('lz4', ['--version']).status === 0;
  if (!lz4) t.comment('lz4 is not installed');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom<Verdict>('store', 'look', 'compress'), { minLength: 1, maxLength: 7 }),
      kinds,
      fc.array(fc.nat(16_000), { maxLength: 2 }),
      async (verdicts, pieces, suspensions) => {
        const data = bytesOf(pieces);
        const resources = decided(t, verdicts);
        const store = await memoryLsu({ minPartBytes: MIB / 2 });
        const ends = suspensions.map((blocks) => blocks * 512).filter((end) => end < data.byteLength);
        let handle = await createWriteHandle(context(store, resources), layout(resources, 'image', auto(resources)));
        for (const end of ends.sort((a, b) => a - b)) {
          await feed(handle, new Slots(3), data.subarray(0, end));
          await handle.close('incomplete', end);
          handle = await reopenWriteHandle(context(store, resources), identity('image'), TUNING);
        }
        await feed(handle, new Slots(3), data);
        await handle.close('complete', data.byteLength);
        const { imageId } = handle;
        if (!(await readImage(store, resources, imageId)).equals(data)) return false;
        if (!lz4 || data.byteLength === 0) return true;
        const input = await storedBytes(store, resources, imageId);
        return spawnSync('lz4', ['-dc'], { input, maxBuffer: 64 * MIB }).stdout.equals(data);
      },
    ),
    { numRuns: 8, seed: 20_261_121 },
  );
});

t.test('a short last chunk that is kept is continued', async (t) => {
  const resources = decided(t, ['store', 'compress']);
  const store = await memoryLsu({ minPartBytes: 1 });
  const data = textBytes(3 * MIB + 700);
  const first = await createWriteHandle(context(store, resources), layout(resources, 'image', auto(resources)));
  await feed(first, new Slots(3), data.subarray(0, 2 * MIB + 100));
  await first.close('incomplete', 2 * MIB + 100);
  t.match((await keysOf(store)).join(' '), /tail-/);
  const second = await reopenWriteHandle(context(store, resources), identity('image'), TUNING);
  const present = Buffer.alloc(MIB);
  t.equal(await second.present(2, present), 100);
  t.ok(present.subarray(0, 100).equals(data.subarray(2 * MIB, 2 * MIB + 100)));
  await feed(second, new Slots(3), data);
  const manifest = await second.close('complete', data.byteLength);
  t.match(manifest?.chain[1], { name: 'lz4', version: '1.0.0', options: { auto: true } });
  t.ok((await readImage(store, resources, second.imageId)).equals(data));
});

t.test('what was damaged in either kind of chunk is found, and healed from a copy', async (t) => {
  const resources = decided(t, ['store', 'compress']);
  const storage = new MemoryStorage();
  for (const lsu of ['one', 'two']) await storage.createLsu(lsu);
  const [one, two] = [await storage.open('one'), await storage.open('two')];
  const data = textBytes(4 * MIB);
  const { imageId, manifest } = await writeImage(
    one,
    resources,
    writerOptions(resources, 'image', auto(resources)),
    data,
  );
  await copyImage({ store: one, imageId }, { store: two, identity: identity('image') }, resources);
  const name = `${imagePrefix(imageId)}${manifest.fragments[0]?.name}`;
  const good = await objectBytes(one, name);
  // Header, a block's length, its bytes, and the compressed chunk behind it.
  for (const at of [4, 10, 5000, MIB + 40]) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x10;
    await one.put(name, [bad]);
    const verify = async (): Promise<unknown> =>
      verifyImage(await ImageReader.open(one, resources, imageId), { readAhead: 2 });
    await t.rejects(verify(), refusal('integrity'), `byte ${at}`);
    await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 2 });
    t.ok((await objectBytes(one, name)).equals(good));
    await verify();
  }
});

/** A store that takes so many bytes a second, whatever is under way. */
function throttled(store: ObjectStore, bytesPerSecond: number): ObjectStore {
  let free = 0;
  const pass = async (bytes: number): Promise<void> => {
    const now = performance.now();
    free = Math.max(free, now) + (bytes * 1000) / bytesPerSecond;
    await wait(free - now);
  };
  return wrapStore(store, {
    createUpload: async (key, options) => {
      const upload = await store.createUpload(key, options);
      return {
        key,
        id: upload.id,
        putPart: async (part, options) => {
          await pass(part.size);
          return upload.putPart(part, options);
        },
        listParts: (options) => upload.listParts(options),
        complete: (parts, options) => upload.complete(parts, options),
        abort: (options) => upload.abort(options),
      };
    },
  });
}

const outcomesOf = async (t: Test, store: ObjectStore, data: Buffer, pause = 0) => {
  const resources = testResources(t, 16 * MIB);
  const options = writerOptions(resources, 'image', auto(resources));
  const writer = await ImageWriter.create(store, resources, options);
  for (let at = 0; at < data.byteLength; at += MIB) {
    await writer.write(at, data.subarray(at, at + MIB));
    await wait(pause);
  }
  await writer.commit();
  t.ok((await readImage(store, resources, writer.imageId)).equals(data));
  return resources.meters.outcomes;
};

t.test('a slow storage: text is compressed, random data is not; a slow host: nothing is', async (t) => {
  t.jobs = 3;
  t.test('text', async (t) => {
    const { compressed } = await outcomesOf(
      t,
      throttled(await memoryLsu({ minPartBytes: 1 }), 8 * MIB),
      textBytes(40 * MIB),
    );
    t.ok(compressed > 0);
  });
  t.test('random data', async (t) => {
    const outcomes = await outcomesOf(
      t,
      throttled(await memoryLsu({ minPartBytes: 1 }), 16 * MIB),
      randomBytes(40 * MIB),
    );
    t.equal(outcomes.compressed, 0);
    t.ok(outcomes.incompressible > 0, 'it was looked at');
  });
  t.test('a host that takes its time', async (t) => {
    const outcomes = await outcomesOf(t, await memoryLsu({ minPartBytes: 1 }), textBytes(40 * MIB), 50);
    t.same(outcomes, { compressed: 0, incompressible: 0, unneeded: 40 });
  });
});
