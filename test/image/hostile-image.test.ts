import t, { type Test } from 'tap';
import { EngineError, failureOf } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import type { Manifest } from '../../src/image/manifest.ts';
import { imagePrefix } from '../../src/image/names.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import { promise } from '../support/promise.ts';
import { MIB, memoryLsu, objectBytes, testResources, textBytes, writeImage, writerOptions } from './support.ts';

const HUGE = Number.MAX_SAFE_INTEGER;
const DEPTH = 50_000;

/** Changes of a manifest that somebody made who can write to the LSU. */
const LIES: Readonly<Record<string, (manifest: Manifest) => unknown>> = {
  'a fragment that leads out of the image': (m) => ({ ...m, fragments: [{ name: '../../../etc/passwd', size: 1 }] }),
  'a fragment that is another object': (m) => ({ ...m, fragments: [{ name: 'image.meta', size: 1 }] }),
  'a fragment with a slash': (m) => ({ ...m, fragments: [{ name: 'fragment-000001/../x', size: 1 }] }),
  'a fragment with a line feed': (m) => ({ ...m, fragments: [{ name: 'fragment-000001\n', size: 1 }] }),
  'more fragments than may be': (m) => ({ ...m, fragments: Array(100_001).fill(m.fragments[0]) }),
  'no fragments': (m) => ({ ...m, fragments: [] }),
  'fragments of all bytes there are': (m) => ({ ...m, fragments: [{ ...m.fragments[0], size: HUGE }], size: HUGE }),
  'a size that is none': (m) => ({ ...m, size: -1 }),
  'a size with a fraction': (m) => ({ ...m, size: 0.5 }),
  'a size beyond all integers': (m) => ({ ...m, size: 2 ** 60 }),
  'a larger image': (m) => ({ ...m, size: m.size + MIB }),
  'a smaller image': (m) => ({ ...m, size: m.size - MIB }),
  'an index of all bytes there are': (m) => ({ ...m, index: { ...m.index, size: HUGE } }),
  'a footer of all bytes there are': (m) => ({ ...m, index: { ...m.index, size: HUGE, footer: HUGE } }),
  'a footer larger than the index': (m) => ({ ...m, index: { ...m.index, footer: m.index.size + 1 } }),
  'no footer': (m) => ({ ...m, index: { ...m.index, footer: 0 } }),
  'chunks of a TiB': (m) => ({ ...m, chunk_size: 2 ** 40 }),
  'chunks of no bytes': (m) => ({ ...m, chunk_size: 0 }),
  'other leaves': (m) => ({ ...m, leaf_size: 1 }),
  'a stage that nobody knows': (m) => ({ ...m, chain: [...m.chain, { name: 'rot13', version: '1.0.0', options: {} }] }),
  'a stage that is a path': (m) => ({ ...m, chain: [{ name: '../../evil', version: '1.0.0', options: {} }] }),
  'a stage twice': (m) => ({ ...m, chain: [...m.chain, m.chain.at(-1)] }),
  'no stages': (m) => ({ ...m, chain: [] }),
  'no checksum': (m) => ({ ...m, chain: m.chain.slice(1) }),
  'options nested without end': (m) => ({ ...m, chain: [{ ...m.chain[0], options: { a: 'DEEP' } }] }),
  'a prototype': (m) => JSON.parse(`{"__proto__": {"size": 1}, ${JSON.stringify(m).slice(1)}`),
  'a blob elsewhere': (m) => ({ ...m, metas: [{ index: 0, name: '../meta-1', size: 1, sha256: '0'.repeat(64) }] }),
  'a name with control characters': (m) => ({ ...m, identity: { ...m.identity, basename: 'a\u001b[2J' } }),
  'the identity of another image': (m) => ({ ...m, identity: { ...m.identity, basename: 'other' } }),
};

/** Read all of an image; undefined when it is as it should be. */
async function failure(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function prepare(t: Test) {
  const resources = testResources(t);
  const store = await memoryLsu();
  const data = textBytes(3 * MIB);
  const { imageId, manifest } = await writeImage(
    store,
    resources,
    writerOptions(resources, 'image', { compress: true }),
    data,
  );
  const good = await writeImage(store, resources, writerOptions(resources, 'neighbour'), data);
  const key = `${imagePrefix(imageId)}image.meta`;
  const verify = async (): Promise<void> => {
    await verifyImage(await ImageReader.open(store, resources, imageId), { readAhead: 2 });
  };
  const listed = async (): Promise<string[]> => {
    const ids: string[] = [];
    for await (const { imageId: id } of listImages(store)) ids.push(id);
    return ids;
  };
  return { resources, store, imageId, manifest, neighbour: good.imageId, key, verify, listed };
}

t.test('manifests that lie', async (t) => {
  promise({
    row: 'security',
    promise:
      'A manifest that somebody forged is refused or harmless: no other object is read, little memory is taken, its neighbours stay usable',
    fault: 'places, sizes, counts, stages, depths of a manifest made up',
  });
  const { store, manifest, neighbour, key, verify, listed } = await prepare(t);
  t.equal(await failure(verify), undefined);
  for (const [what, lie] of Object.entries(LIES)) {
    const text = JSON.stringify(lie(manifest)).replace('"DEEP"', '['.repeat(DEPTH) + ']'.repeat(DEPTH));
    await store.put(key, [Buffer.from(text)]);
    const before = process.memoryUsage().arrayBuffers;
    const error = await failure(verify);
    t.ok(error instanceof EngineError, `${what}: ${String(error)}`);
    t.ok(['integrity', 'unsupported', 'not-found'].includes(failureOf(error)), what);
    t.ok(process.memoryUsage().arrayBuffers - before < 64 * MIB, 'little memory');
    t.ok((await listed()).includes(neighbour), 'listing goes on');
    for await (const garbage of collectGarbage(store, { olderThanMs: 0, dryRun: true }))
      t.notOk(JSON.stringify(garbage).includes(neighbour));
  }
});

t.test('objects that are not what they are called', async (t) => {
  promise({
    row: 'security',
    promise: 'Objects of any size and content under our names are refused before memory is taken for them',
    fault: 'manifests, pending records and indexes of zeroes, nested JSON, and more bytes than may be',
  });
  const { store, imageId, manifest, neighbour, key, verify, listed } = await prepare(t);
  const index = `${imagePrefix(imageId)}index`;
  const bombs: Readonly<Record<string, Uint8Array>> = {
    nothing: new Uint8Array(0),
    zeroes: new Uint8Array(100_000),
    'a manifest of 64 MiB': Buffer.alloc(64 * MIB, ' '),
    'nested JSON': Buffer.from('['.repeat(2_000_000)),
  };
  const whole = await objectBytes(store, index);
  for (const [what, bytes] of Object.entries(bombs)) {
    await store.put(key, [bytes]);
    t.equal(failureOf(await failure(verify)), 'integrity', `manifest: ${what}`);
    t.ok((await listed()).includes(neighbour));
    await store.put(key, [Buffer.from(JSON.stringify(manifest))]);
    await store.put(index, [bytes.subarray(0, whole.byteLength)]);
    t.equal(failureOf(await failure(verify)), 'integrity', `index: ${what}`);
    await store.put(index, [whole]);
    t.equal(await failure(verify), undefined);
  }
  await store.delete([key]);
  for (const [what, bytes] of Object.entries(bombs)) {
    await store.put(`${imagePrefix(imageId)}pending`, [bytes]);
    t.ok((await listed()).includes(neighbour), `pending: ${what}`);
  }
});
