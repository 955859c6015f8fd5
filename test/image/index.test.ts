import { createHash } from 'node:crypto';
import t from 'tap';
import { ImageIndex } from '../../src/image/image-index.ts';
import { type IndexSummary, IndexWriter } from '../../src/image/index-writer.ts';
import type { Manifest } from '../../src/image/manifest.ts';
import { StoredPrefix } from '../../src/image/stored-prefix.ts';
import type { Part, StoredChunk } from '../../src/stages/packer.ts';
import { TreeHash } from '../../src/stages/tree-hash.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { keysOf, MIB, memoryLsu, objectBytes } from './support.ts';

const CHUNK = 64 * MIB;
const PREFIX = 'netbackup/x/';

/** Chunks of a large image that exists only in its index. */
function chunk(index: number, length = CHUNK): StoredChunk {
  const leaves = Buffer.concat(
    Array.from({ length: Math.ceil(length / MIB) }, (_, leaf) =>
      createHash('sha256').update(`${index}:${leaf}`).digest(),
    ),
  );
  return {
    index,
    offset: index * CHUNK,
    length,
    fragment: 1 + Math.floor(index / 1000),
    storedOffset: (index % 1000) * CHUNK,
    storedLength: length,
    leaves,
  };
}

const PART = { fragment: 1, number: 1, size: CHUNK, etag: 'etag' };

/** Add one chunk as a part of its own. */
function add(writer: IndexWriter, one: StoredChunk): Promise<void> {
  writer.add([one], PART);
  return writer.spill();
}

/** End the index and store it. */
async function written(writer: IndexWriter): Promise<IndexSummary> {
  const { summary, write } = writer.seal();
  await write();
  return summary;
}

t.test('an index of many pages needs bounded memory and finds every range', async (t) => {
  const store = await memoryLsu();
  const writer = new IndexWriter(store, PREFIX);
  const count = 3000; // 187.5 GiB
  const tree = new TreeHash();
  for (let index = 0; index < count; index += 1) {
    const one = chunk(index, index === count - 1 ? 5 * MIB + 3 : CHUNK);
    await add(writer, one);
    tree.push(one.leaves);
  }
  t.equal(writer.chunks, count);
  const size = (count - 1) * CHUNK + 5 * MIB + 3;
  t.equal(writer.size, size);
  t.same(Buffer.from(writer.root), Buffer.from(tree.root()));
  const journal = writer.journalNames;
  t.ok(journal.length > 4, `${journal.length} pages went to storage`);
  const index = await written(writer);
  t.equal((await objectBytes(store, `${PREFIX}index`)).byteLength, index.size);

  const fragments = [1, 2, 3].map((nth) => ({ name: `fragment-00000${nth}`, size: 1000 * CHUNK }));
  const manifest = { size, fragments, index } as unknown as Manifest;
  const reader = new ImageIndex(store, PREFIX, manifest, (length) => length);
  const find = async (start: number, end: number): Promise<number[]> => {
    const found: number[] = [];
    for await (const one of reader.chunks(start, end)) found.push(one.index);
    return found;
  };
  t.same(await find(0, 1), [0]);
  t.same(await find(size - 1, size), [count - 1]);
  t.same(await find(CHUNK - 1, CHUNK + 1), [0, 1]);
  t.same(await find(5, 5), []);
  for (let at = 0; at < count; at += 97) t.same(await find(at * CHUNK + 7, at * CHUNK + 8), [at]);
  t.same((await find(0, size)).length, count);
});

t.test('an index that lies about places or sizes is refused', async (t) => {
  promise({
    row: 'security',
    promise: 'An index that lies about places or sizes is refused before memory is taken',
    fault: 'counts, offsets, lengths that make no sense',
  });
  const store = await memoryLsu();
  const writer = new IndexWriter(store, PREFIX);
  writer.add([chunk(0), chunk(1)], PART);
  const index = await written(writer);
  const good = {
    size: 2 * CHUNK,
    fragments: [{ name: 'fragment-000001', size: 2 * CHUNK }],
    index,
  } as unknown as Manifest;
  const read = async (manifest: Manifest, bound = (length: number) => length): Promise<void> => {
    for await (const _ of new ImageIndex(store, PREFIX, manifest, bound).chunks(0, manifest.size)) {
      // Reading is the test.
    }
  };
  await read(good);
  await t.rejects(read({ ...good, size: 3 * CHUNK }), refusal('integrity'));
  await t.rejects(read({ ...good, fragments: [] }), refusal('integrity'));
  await t.rejects(read({ ...good, fragments: [{ name: 'fragment-000001', size: CHUNK }] }), refusal('integrity'));
  await t.rejects(
    read(good, (length) => length - 1),
    refusal('integrity'),
  );
  await t.rejects(read({ ...good, index: { ...index, footer: index.size + 1 } }), refusal('integrity'));
  await t.rejects(read({ ...good, index: { ...index, sha256: '0'.repeat(64) } }), refusal('integrity'));
});

t.test('a journal page that changes in storage is noticed before the index is published', async (t) => {
  const store = await memoryLsu();
  const writer = new IndexWriter(store, PREFIX);
  for (let index = 0; index < 2000; index += 1) await add(writer, chunk(index));
  const [name] = writer.journalNames;
  const page = await objectBytes(store, `${PREFIX}${name}`);
  page[100] = (page[100] ?? 0) ^ 1;
  await store.put(`${PREFIX}${name}`, [page]);
  await t.rejects(written(writer), refusal('integrity'));
  t.notOk((await keysOf(store)).includes(`${PREFIX}index`));
});

t.test('what journal objects hold is taken up by another writer, bit for bit', async (t) => {
  const store = await memoryLsu();
  const first = new IndexWriter(store, PREFIX);
  const whole = new IndexWriter(store, PREFIX);
  for (let index = 0; index < 500; index += 1) {
    first.add([chunk(index)], { ...PART, number: index + 1 });
    whole.add([chunk(index)], PART);
    if (index % 99 === 0) await first.checkpoint();
  }
  const count = await first.checkpoint();
  t.ok(count > 6);
  const second = new IndexWriter(store, PREFIX);
  const numbers: number[] = [];
  await second.restore(count, ({ parts }) => numbers.push(...parts.map(({ number }) => number)));
  t.same(
    numbers,
    Array.from({ length: 500 }, (_, nth) => nth + 1),
  );
  t.same([second.chunks, second.size, second.stored], [500, 500 * CHUNK, 500 * CHUNK]);
  t.same(Buffer.from(second.root), Buffer.from(whole.root));
  for (const writer of [second, whole]) writer.add([chunk(500, 7)], PART);
  const index = await written(second);
  const manifest = {
    size: 500 * CHUNK + 7,
    fragments: [{ name: 'fragment-000001', size: 1000 * CHUNK }],
    index,
  } as unknown as Manifest;
  let next = 0;
  for await (const found of new ImageIndex(store, PREFIX, manifest, (length) => length).chunks(0, manifest.size)) {
    t.same(found, chunk(next, next === 500 ? 7 : CHUNK));
    next += 1;
  }
  t.equal(next, 501);
});

t.test('journal objects of another image, or out of order, are refused', async (t) => {
  const store = await memoryLsu();
  const writer = new IndexWriter(store, PREFIX);
  for (const index of [0, 1, 2]) {
    writer.add([chunk(index)], PART);
    await writer.checkpoint();
  }
  await store.copy({ lsu: store.lsu, key: `${PREFIX}journal-000003` }, `${PREFIX}journal-000002`);
  const restore = new IndexWriter(store, PREFIX).restore(3, () => undefined);
  await t.rejects(restore, refusal('integrity', { code: 'VOST_BAD_JOURNAL' }));
});

t.test('parts are noted in the order of the image; a hole is an error', async (t) => {
  const noted: number[] = [];
  const prefix = new StoredPrefix(5, (part) => {
    noted.push(part.number);
  });
  const part = (number: number, first: number, count: number) =>
    ({
      number,
      chunks: Array.from({ length: count }, (_, nth) => chunk(first + nth)),
    }) as unknown as Part;
  const { signal } = new AbortController();
  await prefix.add(part(3, 9, 1), signal);
  await prefix.add(part(2, 7, 2), signal);
  t.same(noted, []);
  t.throws(() => prefix.checkComplete(), { code: 'VOST_LOST_CHUNK' });
  await prefix.add(part(1, 5, 2), signal);
  t.same(noted, [1, 2, 3]);
  t.equal(prefix.parts, 3);
  prefix.checkComplete();
});
