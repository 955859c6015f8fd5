import fc from 'fast-check';
import t from 'tap';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { promise } from '../support/promise.ts';
import { runKilled } from './handle-plugin.ts';
import { context, feed, layout, Slots } from './handle-support.ts';
import { MIB, memoryLsu, randomBytes, readImage, testResources, textBytes } from './support.ts';

t.test('whatever a plugin does, and whenever an engine dies, the image comes out whole', async (t) => {
  promise({
    row: '16',
    promise: 'Whatever a plugin does and whenever engines die, the image comes out whole',
    fault: 'random plugins, random deaths (fast-check)',
  });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        pieces: fc.array(fc.record({ random: fc.boolean(), length: fc.integer({ min: 1, max: 5000 }) }), {
          maxLength: 4,
        }),
        minPartBytes: fc.constantFrom(1, 100_000, MIB + 1, 3 * MIB),
        slots: fc.integer({ min: 2, max: 6 }),
        suspensions: fc.array(fc.nat(16_000), { maxLength: 3 }),
        compress: fc.boolean(),
        metas: fc.nat(3),
        swap: fc.boolean(),
        journalBytes: fc.constantFrom(6144, 16 * 1024, 64 * 1024),
        at: fc.nat(160),
        again: fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 3 }),
      }),
      async ({ pieces, suspensions, compress, at, again, ...more }) => {
        const data = Buffer.concat(
          pieces.map(({ random, length }) => (random ? randomBytes(length * 512) : textBytes(length * 512))),
        );
        const sizes = suspensions.map((blocks) => blocks * 512).filter((size) => size <= data.byteLength);
        const script = { ...more, data, suspensions: sizes.sort((a, b) => a - b), options: { compress } };
        await runKilled(t, script, at, undefined, again);
      },
    ),
    { numRuns: 150, seed: 20_261_121, endOnFailure: true },
  );
});

t.test('two slots are enough for data that compress to nothing', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu({ minPartBytes: 5 * MIB });
  const data = Buffer.alloc(60 * MIB + 512);
  const handle = await createWriteHandle(
    context(store, resources),
    layout(resources, 'zeros', { compress: true, partBytes: 8 * MIB }),
  );
  await feed(handle, new Slots(2), data);
  await handle.close('complete', data.byteLength);
  t.ok((await readImage(store, resources, handle.imageId)).equals(data));
});

t.test('many handles share a memory budget of a few chunks without standing still', async (t) => {
  promise({
    row: 'limits',
    promise: 'Without memory writers wait, none stands still, and the budget is kept',
    fault: 'many open images, a budget of a few chunks',
  });
  const resources = testResources(t, 6 * MIB);
  const store = await memoryLsu({ minPartBytes: 2 * MIB });
  // Between compressible and not: encoded chunks stay in memory beside their slots.
  const data = Buffer.concat(
    Array.from({ length: 24 }, (_, nth) => (nth % 2 ? randomBytes(300 * 1024, `${nth}`) : textBytes(300 * 1024))),
  );
  await Promise.all(
    Array.from({ length: 8 }, async (_, nth) => {
      const options = layout(resources, `many${nth}`, { compress: true, partBytes: 4 * MIB });
      const handle = await createWriteHandle(context(store, resources, { creator: `session/${nth + 1}` }), options);
      await feed(handle, new Slots(2 + (nth % 4)), data);
      await handle.close('complete', data.byteLength);
      t.ok((await readImage(store, resources, handle.imageId)).equals(data));
    }),
  );
  t.equal(resources.budget.used, 0);
});
