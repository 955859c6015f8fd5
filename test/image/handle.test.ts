import { createHash } from 'node:crypto';
import t from 'tap';
import { createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, readImage, testResources, textBytes } from './support.ts';

t.test('chunks in any order become the image; every slot comes back once', async (t) => {
  const resources = testResources(t);
  for (const compress of [false, true]) {
    for (const size of [0, 512, MIB, 2 * MIB + 512, 9 * MIB]) {
      const store = await memoryLsu();
      const data = compress ? textBytes(size) : randomBytes(size);
      const slots = new Slots(4);
      const handle = await createWriteHandle(
        context(store, resources),
        layout(resources, 'any', { compress, flatDigest: true }),
      );
      // Pairs swapped: 1 0 3 2 …
      await feed(handle, slots, data, { order: (all) => all.map((_, nth) => all[nth ^ 1] ?? nth) });
      const manifest = await handle.close('complete', size);
      t.equal(manifest?.size, size);
      t.equal(manifest?.sha256, createHash('sha256').update(data).digest('hex'));
      t.equal(slots.full.size, 0);
      t.ok((await readImage(store, resources, handle.imageId)).equals(data), `${size} bytes, compress ${compress}`);
      t.notMatch((await keysOf(store)).join(' '), /pending|journal|held|tail/);
      t.equal(resources.budget.used, 0);
    }
  }
});

t.test('eight slots of zeros, parts of at least 5 MiB', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu({ minPartBytes: 5 * MIB });
  const data = Buffer.alloc(200 * MIB + 512);
  const slots = new Slots(8);
  const handle = await createWriteHandle(
    context(store, resources),
    layout(resources, 'zeros', { compress: true, partBytes: 8 * MIB }),
  );
  await feed(handle, slots, data);
  const manifest = await handle.close('complete', data.byteLength);
  t.equal(manifest?.size, data.byteLength);
  t.ok((await readImage(store, resources, handle.imageId)).equals(data));
});

t.test('closed incomplete, an image goes on from storage alone', async (t) => {
  const data = randomBytes(7 * MIB + 512);
  const store = await memoryLsu({ minPartBytes: 2 * MIB });
  let at = 0;
  for (const end of [MIB + 1024, MIB + 2048, 3 * MIB, 6 * MIB + 512, 7 * MIB + 512]) {
    const resources = testResources(t);
    const slots = new Slots(3);
    const handle =
      at === 0
        ? await createWriteHandle(context(store, resources), layout(resources, 'again', { flatDigest: true }))
        : await reopenWriteHandle(context(store, resources, { creator: `session/${end}` }), identity('again'), TUNING);
    t.equal(handle.size, at);
    t.equal(handle.firstChunk, Math.floor(at / MIB));
    const present = Buffer.alloc(MIB);
    const count = await handle.present(handle.firstChunk, present);
    t.equal(count, at % MIB);
    t.ok(present.subarray(0, count).equals(data.subarray(at - count, at)));
    await feed(handle, slots, data.subarray(0, end));
    const manifest = await handle.close(end === data.byteLength ? 'complete' : 'incomplete', end);
    t.equal(slots.full.size, 0);
    t.equal(manifest?.sha256, manifest && createHash('sha256').update(data).digest('hex'));
    if (manifest) t.ok((await readImage(store, resources, handle.imageId)).equals(data));
    at = end;
  }
  t.notMatch((await keysOf(store)).join(' '), /pending|journal|held|tail/);
});
