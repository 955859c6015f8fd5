import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { ImageReader } from '../../src/image/image-reader.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import { fragmentName, imagePrefix } from '../../src/image/names.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import {
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

t.test('edge sizes come back bit for bit, compressed or not', async (t) => {
  promise({
    row: '10',
    promise:
      'Images of any size come back bit for bit: empty, one byte, exactly n chunks and parts, one more, one less',
    fault: 'sizes around chunks, leaves and parts, compressed or not',
  });
  const resources = testResources(t);
  for (const size of [0, 1, 511, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 7]) {
    for (const compress of [false, true]) {
      for (const data of [randomBytes(size), textBytes(size)]) {
        const store = await memoryLsu({ minPartBytes: 1 });
        const { imageId, manifest } = await writeImage(
          store,
          resources,
          writerOptions(resources, 'edge', { compress, flatDigest: true }),
          data,
          100_000,
        );
        t.equal(manifest.size, size);
        t.equal(manifest.sha256, createHash('sha256').update(data).digest('hex'));
        t.ok((await readImage(store, resources, imageId)).equals(data), `${size} bytes, compress ${compress}`);
        t.notMatch((await keysOf(store)).join(' '), /pending|journal/);
      }
    }
  }
});

t.test('an image spans parts and fragments as the store wants them', async (t) => {
  promise({
    row: '20',
    promise: 'An image goes on in a second fragment where a store allows few parts or small objects',
    fault: 'stores with few parts and small objects',
  });
  const resources = testResources(t);
  const data = randomBytes(11 * MIB + 5);
  const store = await memoryLsu({ minPartBytes: MIB, maxParts: 3, maxObjectBytes: 4 * MIB });
  const { imageId, manifest } = await writeImage(store, resources, writerOptions(resources, 'long'), data);
  t.equal(manifest.fragments.length, 3);
  t.ok(manifest.fragments.every(({ size }) => size <= 4 * MIB));
  const raw = await Promise.all(
    manifest.fragments.map(({ name }) => objectBytes(store, `${imagePrefix(imageId)}${name}`)),
  );
  t.ok(Buffer.concat(raw).equals(data), 'the concatenated fragments are the image');
  t.ok((await readImage(store, resources, imageId)).equals(data));
});

t.test('parts are never smaller than the store allows, however well the data compress', async (t) => {
  const resources = testResources(t);
  const data = textBytes(20 * MIB);
  const store = await memoryLsu({ minPartBytes: 400_000 });
  const { imageId, manifest } = await writeImage(
    store,
    resources,
    writerOptions(resources, 'text', { compress: true, partBytes: 1 }),
    data,
  );
  t.ok(manifest.fragments.reduce((sum, { size }) => sum + size, 0) < data.byteLength / 2);
  t.ok((await readImage(store, resources, imageId)).equals(data));
});

t.test('any range of an image reads as the same range of its bytes', async (t) => {
  const resources = testResources(t);
  const data = randomBytes(5 * MIB + 12_345);
  for (const compress of [false, true]) {
    const store = await memoryLsu();
    const { imageId } = await writeImage(
      store,
      resources,
      writerOptions(resources, 'ranges', { compress, chunkBytes: 2 * MIB }),
      data,
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(data.byteLength), fc.nat(data.byteLength), async (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        const got = await readImage(store, resources, imageId, { offset: from, length: to - from });
        return got.equals(data.subarray(from, to));
      }),
      {
        numRuns: 40,
        examples: [
          [0, 0],
          [data.byteLength, data.byteLength],
          [MIB, MIB + 1],
          [2 * MIB - 1, 2 * MIB + 1],
        ],
      },
    );
    const reader = await ImageReader.open(store, resources, imageId);
    await t.rejects(
      reader.read({ offset: data.byteLength, length: 1, readAhead: 1 }, async () => undefined),
      refusal('usage'),
    );
    await t.rejects(
      reader.read({ offset: -1, readAhead: 1 }, async () => undefined),
      refusal('usage'),
    );
  }
});

t.test('a range of an uncompressed image fetches the leaves concerned, not the chunk', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const { imageId } = await writeImage(
    store,
    resources,
    writerOptions(resources, 'leaf', { chunkBytes: 8 * MIB }),
    randomBytes(8 * MIB),
  );
  const lengths: number[] = [];
  const watched = wrapStore(store, {
    read: (key: string, offset: number, into: Uint8Array, options?: object) => {
      if (key.endsWith(fragmentName(1))) lengths.push(into.byteLength);
      return store.read(key, offset, into, options);
    },
  });
  await readImage(watched, resources, imageId, { offset: 3 * MIB - 1, length: 2 });
  t.same(lengths, [2 * MIB]);
});

t.test('every flipped bit in storage is found and named', async (t) => {
  const resources = testResources(t);
  for (const compress of [false, true]) {
    const store = await memoryLsu({ minPartBytes: 1 });
    const { imageId } = await writeImage(
      store,
      resources,
      writerOptions(resources, 'rot', { compress }),
      textBytes(2 * MIB + 100),
    );
    for (const key of await keysOf(store)) {
      const clean = await objectBytes(store, key);
      for (let nth = 0; nth < 12; nth += 1) {
        const at = Math.floor((nth * clean.byteLength) / 12);
        const rotten = Buffer.from(clean);
        rotten[at] = (rotten[at] ?? 0) ^ (1 << (nth % 8));
        await store.put(key, [rotten]);
        const error = await verifyAll().catch((caught: unknown) => caught);
        // Some characters of the manifest are only descriptive: then nothing fails, and the data are still right.
        if (error === undefined) t.match(key, /image\.meta$/);
        else t.match(error, { failure: /integrity|unsupported/, name: 'EngineError' }, `${key} byte ${at}`);
        t.equal(resources.budget.used, 0);
      }
      await store.put(key, [clean]);
    }
    async function verifyAll(): Promise<undefined> {
      await verifyImage(await ImageReader.open(store, resources, imageId), { readAhead: 2 });
      return undefined;
    }
  }
});

t.test('corruption is reported with image, chunk, leaf and offset', async (t) => {
  promise({
    row: 'integrity',
    promise: 'Damage is told with image, chunk, leaf and offset',
    fault: 'a bit flipped at rest',
  });
  const resources = testResources(t);
  const store = await memoryLsu();
  const { imageId } = await writeImage(
    store,
    resources,
    writerOptions(resources, 'rot', { chunkBytes: 4 * MIB }),
    randomBytes(9 * MIB),
  );
  const key = `${imagePrefix(imageId)}${fragmentName(1)}`;
  const bytes = await objectBytes(store, key);
  bytes[6 * MIB + 3] = (bytes[6 * MIB + 3] ?? 0) ^ 1;
  await store.put(key, [bytes]);
  await t.rejects(readImage(store, resources, imageId), {
    code: 'VOST_CORRUPT',
    message: /^image lsu\/rot_.*6291456.*chunk 1, leaf 2/,
    details: { chunk: 1, leaf: 2, offset: 6 * MIB, image: imageId, lsu: 'lsu' },
  });
  t.ok(
    (await readImage(store, resources, imageId, { offset: 0, length: 6 * MIB })).byteLength === 6 * MIB,
    'the rest still reads',
  );
});

t.test('writes out of order and rewrites inside the window give the same image', async (t) => {
  const resources = testResources(t);
  const data = randomBytes(6 * MIB);
  const store = await memoryLsu();
  const writer = await ImageWriter.create(store, resources, writerOptions(resources, 'disorder', { window: 3 * MIB }));
  const half = 512 * 1024;
  await writer.write(0, Buffer.alloc(1000, 1));
  await writer.write(2 * MIB, data.subarray(2 * MIB, 3 * MIB));
  await writer.write(MIB + half, data.subarray(MIB + half, 2 * MIB));
  await writer.write(0, data.subarray(0, MIB + half));
  await writer.write(3 * MIB, data.subarray(3 * MIB));
  await writer.commit();
  t.ok((await readImage(store, resources, writer.imageId)).equals(data));
});

t.test(
  'a gap, a write to sealed bytes and a write too far ahead each fail with their own error and leave nothing',
  async (t) => {
    const resources = testResources(t);
    const cases: [string, (writer: ImageWriter) => Promise<unknown>][] = [
      ['VOST_GAP', async (writer) => writer.write(1000, Buffer.alloc(10)).then(() => writer.commit())],
      [
        'VOST_SEALED',
        async (writer) => writer.write(0, Buffer.alloc(3 * MIB)).then(() => writer.write(MIB, Buffer.alloc(1))),
      ],
      ['VOST_WINDOW', (writer) => writer.write(20 * MIB, Buffer.alloc(1))],
      ['VOST_OFFSET', (writer) => writer.write(-512, Buffer.alloc(1))],
    ];
    for (const [code, work] of cases) {
      const store = await memoryLsu();
      const writer = await ImageWriter.create(store, resources, writerOptions(resources, 'bad'));
      const error = await work(writer).catch((caught: unknown) => caught);
      t.match(error, { code });
      t.same(await writer.abort(error as Error), []);
      t.same(await keysOf(store), []);
      t.equal(resources.budget.used, 0);
    }
  },
);

t.test('a complete image cannot be created again; one of another identity can', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const options = writerOptions(resources, 'same');
  await writeImage(store, resources, options, Buffer.from('one'));
  await t.rejects(ImageWriter.create(store, resources, options), refusal('exists'));
  const other = { ...options, identity: { ...options.identity, qualifiers: ['4', '1'] } };
  const { imageId } = await writeImage(store, resources, other, Buffer.from('two'));
  t.equal(String(await readImage(store, resources, imageId)), 'two');
});

t.test('a million small writes and one huge one give the same image', async (t) => {
  const resources = testResources(t, 64 * MIB);
  const piece = randomBytes(512);
  const count = 1_000_000;
  const store = await memoryLsu();
  const small = await ImageWriter.create(
    store,
    resources,
    writerOptions(resources, 'small', { chunkBytes: 8 * MIB, partBytes: 8 * MIB }),
  );
  for (let nth = 0; nth < count; nth += 1) await small.write(nth * 512, piece);
  const first = await small.commit();
  t.equal(first.size, count * 512);
  const store2 = await memoryLsu();
  const huge = await ImageWriter.create(
    store2,
    resources,
    writerOptions(resources, 'huge', { chunkBytes: 16 * MIB, partBytes: 16 * MIB }),
  );
  await huge.write(0, Buffer.alloc(count * 512, piece));
  const second = await huge.commit();
  t.equal(second.checksum, first.checksum, 'the checksum does not depend on writes or chunk size');
});

t.test('an image of another format version is refused by name', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  const { imageId } = await writeImage(store, resources, writerOptions(resources, 'v'), Buffer.from('x'));
  const key = `${imagePrefix(imageId)}image.meta`;
  const text = String(await objectBytes(store, key));
  await store.put(key, [Buffer.from(text.replace('"version": 1', '"version": 2'))]);
  await t.rejects(ImageReader.open(store, resources, imageId), refusal('unsupported', { code: 'VOST_FORMAT_VERSION' }));
  await store.put(key, [Buffer.from(text.replace('"size"', '"sighs"'))]);
  await t.rejects(ImageReader.open(store, resources, imageId), refusal('integrity'));
  await store.put(key, [
    Buffer.from(text.replace('"checksum",\n      "version": "1.0.0"', '"checksum",\n      "version": "1.9.0"')),
  ]);
  await t.rejects(ImageReader.open(store, resources, imageId), refusal('unsupported', { code: 'VOST_STAGE_MISSING' }));
});
