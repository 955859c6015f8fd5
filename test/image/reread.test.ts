import t from 'tap';
import { ImageReader } from '../../src/image/image-reader.ts';
import { openReadHandle } from '../../src/image/read-handle.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { memoryLsu, randomBytes, readImage, testResources, textBytes, writeImage, writerOptions } from './support.ts';

const MIB = 2 ** 20;
const KINDS = [
  { name: 'as they are', data: textBytes(3 * MIB + 500), compressed: false },
  { name: 'lz4', data: textBytes(3 * MIB + 500), compressed: true },
  { name: 'lz4 that only stores', data: randomBytes(3 * MIB + 500), compressed: true },
];

for (const { name, data: DATA, compressed } of KINDS) {
  t.test(`bytes damaged in flight are read again: ${name}`, async (t) => {
    promise({
      row: 'integrity',
      promise: 'What is damaged only in flight is healed by reading it again, once; damage at rest is told',
      fault: 'a bit of what a read returns, once, and always: restore, handle, verify; lz4 or not',
    });
    const resources = testResources(t);
    const inner = await memoryLsu();
    const options = writerOptions(
      resources,
      'image',
      compressed ? { stages: [resources.stages.configure('lz4', {})] } : {},
    );
    const { imageId } = await writeImage(inner, resources, options, DATA);
    let [flips, reads] = [0, 0];
    const store = wrapStore(inner, {
      read: async (key, offset, into, request) => {
        const info = await inner.read(key, offset, into, request);
        if (!key.includes('fragment')) return info;
        reads += 1;
        if (flips > 0) {
          flips -= 1;
          into[into.byteLength >> 1] = (into[into.byteLength >> 1] ?? 0) ^ 1;
        }
        return info;
      },
    });
    const { meters } = resources;
    flips = 1;
    t.ok((await readImage(store, resources, imageId)).equals(DATA));
    t.equal(meters.healed, 1, 'restore');
    flips = 1;
    const reader = await ImageReader.open(store, resources, imageId);
    await verifyImage(reader, { readAhead: 2 });
    t.equal(meters.healed, 2, 'verify');
    const context = { store, resources, journal: undefined, creator: 'test' };
    const handle = await openReadHandle(context, reader.manifest.identity);
    flips = 1;
    const into = Buffer.alloc(4 * MIB);
    const { start, slotOffset } = await handle.read(0, 100, into, false);
    t.ok(into.subarray(slotOffset, slotOffset + 100).equals(DATA.subarray(start, start + 100)));
    t.equal(meters.healed, 3, 'handle');
    t.equal(meters.mismatches, 0);
    flips = Number.POSITIVE_INFINITY;
    reads = 0;
    await t.rejects(handle.read(0, 100, into, false), refusal('integrity', { details: { image: imageId } }));
    t.equal(reads, 2, 'once more, and no further');
    await t.rejects(readImage(store, resources, imageId), refusal('integrity'));
    t.equal(meters.healed, 3);
    t.equal(meters.mismatches, 2);
    await handle.close();
  });
}
