import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { copyImage } from '../../src/image/copy-image.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { imagePrefix } from '../../src/image/names.ts';
import { repairImage } from '../../src/image/repair-image.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import { FileStorage } from '../../src/vast/nfs/storage.ts';
import type { ObjectStore, Storage } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import {
  identity,
  MIB,
  objectBytes,
  randomBytes,
  readImage,
  testResources,
  textBytes,
  writeImage,
  writerOptions,
} from './support.ts';

async function twoLsus(storage: Storage): Promise<readonly [ObjectStore, ObjectStore]> {
  for (const lsu of ['one', 'two']) await storage.createLsu(lsu);
  return [await storage.open('one'), await storage.open('two')];
}

for (const compress of [false, true]) {
  t.test(
    `any bit flipped at rest ${compress ? 'of a compressed image' : ''} is told or harmless, and healed`,
    async (t) => {
      promise({
        row: 'integrity',
        promise: 'Any bit that flips at rest is told or harmless, and healed from a copy',
        fault: 'random bits of fragment, index and manifest, compressed or not (fast-check)',
      });
      const resources = testResources(t, 64 * MIB);
      const [one, two] = await twoLsus(new MemoryStorage());
      const data = Buffer.concat([textBytes(2 * MIB), randomBytes(40_000)]);
      const { imageId } = await writeImage(one, resources, writerOptions(resources, 'image', { compress }), data);
      await copyImage({ store: one, imageId }, { store: two, identity: identity('image') }, resources);
      const place = fc.record({
        object: fc.constantFrom('fragment-000001', 'index', 'image.meta'),
        at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        bit: fc.integer({ min: 0, max: 7 }),
      });
      let told = 0;
      await fc.assert(
        fc.asyncProperty(place, async ({ object, at, bit }) => {
          const key = `${imagePrefix(imageId)}${object}`;
          const good = await objectBytes(one, key);
          const bad = Buffer.from(good);
          const byte = Math.floor(at * bad.byteLength);
          bad[byte] = (bad[byte] ?? 0) ^ (1 << bit);
          await one.put(key, [bad]);
          const reader = await ImageReader.open(one, resources, imageId).catch((error: unknown) => error);
          const error =
            reader instanceof ImageReader
              ? await verifyImage(reader, { readAhead: 2 }).then(
                  () => undefined,
                  (error: unknown) => error,
                )
              : reader;
          if (error === undefined) {
            // Words that no digest covers, or bits of a frame that mean nothing.
            if (object === 'index' || (object.startsWith('fragment') && !compress)) throw new Error('not told');
          } else {
            // A version or stage that does not exist is what a flip may make of a known one.
            if (!(error instanceof EngineError) || !['integrity', 'not-found', 'unsupported'].includes(error.failure))
              throw error;
            if (!error.message.includes(imageId)) throw new Error(`names no image: ${error.message}`);
            told += 1;
          }
          await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 2 });
          if (!(await readImage(one, resources, imageId)).equals(data)) throw new Error('not healed');
          await verifyImage(await ImageReader.open(one, resources, imageId), { readAhead: 2 });
          await one.put(key, [good]);
        }),
        { numRuns: 80, seed: 5 },
      );
      t.ok(told > 20, `${told} were told`);
      t.equal(resources.budget.used, 0);
    },
  );
}

t.test('a repair that is killed changes nothing, leaves what gc names, and can be done again', async (t) => {
  promise({
    row: 'integrity',
    promise: 'A repair that is killed changes nothing, leaves what gc names, and can be done again',
    fault: 'SIGKILL amid a repair',
  });
  const resources = testResources(t);
  const root = t.testdir({});
  const [one, two] = await twoLsus(new FileStorage(root));
  const data = randomBytes(3 * MIB + 5);
  const { imageId } = await writeImage(one, resources, writerOptions(resources, 'image'), data);
  await copyImage({ store: one, imageId }, { store: two, identity: identity('image') }, resources);
  const key = `${imagePrefix(imageId)}fragment-000001`;
  const bad = await objectBytes(one, key);
  bad[MIB] = (bad[MIB] ?? 0) ^ 1;
  await one.put(key, [bad]);

  const file = fileURLToPath(new URL('repair-child.ts', import.meta.url));
  const child = spawn(process.execPath, [file, root, imageId], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await exited;
  t.ok((await objectBytes(one, key)).equals(bad));
  const garbage = await Array.fromAsync(collectGarbage(one, { olderThanMs: 0, dryRun: false }));
  t.match(garbage, [{ kind: 'orphan-upload', key, removed: true }]);
  await repairImage({ store: one, imageId }, { store: two, imageId }, resources, { readAhead: 1 });
  t.ok((await readImage(one, resources, imageId)).equals(data));
  t.strictSame(await Array.fromAsync(collectGarbage(one, { olderThanMs: 0, dryRun: false })), []);
});
