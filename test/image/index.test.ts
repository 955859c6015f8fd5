import { createHash } from 'node:crypto';
import t from 'tap';
import { ImageIndex } from '../../src/image/image-index.ts';
import { type IndexSummary, IndexWriter } from '../../src/image/index-writer.ts';
import type { Manifest } from '../../src/image/manifest.ts';
import { StoredPrefix } from '../../src/image/stored-prefix.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { IdleCache } from '../../src/pipeline/idle-cache.ts';
import type { Part, StoredChunk } from '../../src/stages/packer.ts';
import { TreeHash } from '../../src/stages/tree-hash.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
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

function cache(): IdleCache {
  return new IdleCache(new ByteBudget(64 * MIB));
}

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
  const reader = new ImageIndex(store, PREFIX, manifest, cache(), (length) => length);
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

t.test(
  'a short index is read with one request, a long one with one for each 4 MiB of pages, whatever the order',
  async (t) => {
    const store = await memoryLsu();
    const reads: number[] = [];
    const counted = wrapStore(store, {
      read: (key, offset, into, options) => {
        reads.push(into.byteLength);
        return store.read(key, offset, into, options);
      },
    });
    /** Of an image of so many chunks. */
    const indexOf = async (prefix: string, chunks: number, kept = cache()): Promise<() => ImageIndex> => {
      const writer = new IndexWriter(store, prefix);
      for (let index = 0; index < chunks; index += 1) await add(writer, chunk(index));
      const size = chunks * CHUNK;
      const fragments = [{ name: 'fragment-000001', size }];
      for (let nth = 2; nth <= Math.ceil(chunks / 1000); nth += 1) fragments.push({ name: `fragment-${nth}`, size });
      const manifest = { size, fragments, index: await written(writer) };
      return () => new ImageIndex(counted, prefix, manifest, kept, (length) => length);
    };
    const requests = async (index: ImageIndex, at: number): Promise<number> => {
      reads.length = 0;
      for await (const one of index.chunks(at * CHUNK, at * CHUNK + 1)) t.equal(one.index, at);
      return reads.length;
    };

    const short = (await indexOf('netbackup/short/', 1900))(); // 119 GiB
    t.equal(await requests(short, 1700), 1, 'a short one: footer and pages at once');
    t.ok((reads[0] ?? 0) > 3.5 * MIB);
    for (const at of [3, 1899, 900, 0, 1200]) t.equal(await requests(short, at), 0, 'of which all is known then');

    const open = await indexOf('netbackup/long/', 6000); // 375 GiB
    const long = open();
    t.equal(await requests(long, 5999), 2, 'a long one: the footer, and the pages around');
    t.equal(await requests(long, 0), 1);
    t.equal(await requests(long, 4200), 1);
    t.equal(await requests(long, 2500), 1);
    for (const at of [5400, 17, 4300, 2000, 5100])
      t.equal(await requests(long, at), 0, 'four times 4 MiB are all of it');
    t.equal(await requests(open(), 2000), 1, 'whoever opens it again reads the footer');
  },
);

t.test('pages are idle memory: who needs the room has it, and a reader that goes on reads none twice', async (t) => {
  const store = await memoryLsu();
  const budget = new ByteBudget(64 * MIB);
  let reads = 0;
  const counted = wrapStore(store, {
    read: (key, offset, into, options) => {
      reads += 1;
      return store.read(key, offset, into, options);
    },
  });
  const writer = new IndexWriter(store, PREFIX);
  for (let index = 0; index < 4000; index += 1) await add(writer, chunk(index));
  const size = 4000 * CHUNK;
  const fragments = [1, 2, 3, 4].map((nth) => ({ name: `fragment-${nth}`, size }));
  const manifest = { size, fragments, index: await written(writer) };
  const index = new ImageIndex(counted, PREFIX, manifest, new IdleCache(budget), (length) => length);
  const find = async (at: number): Promise<void> => {
    for await (const one of index.chunks(at * CHUNK, at * CHUNK + 1)) t.equal(one.index, at);
  };
  for (const at of [0, 1999, 3999]) await find(at);
  t.equal(reads, 4, 'footer and three runs of pages');
  t.ok(budget.idle > 8 * MIB && budget.idle < 12 * MIB, `${budget.idle} bytes kept`);
  const all = await budget.take(64 * MIB);
  t.equal(budget.idle, 0);
  await find(3900);
  t.equal(reads, 4, 'what was used last is known');
  await find(0);
  t.equal(reads, 5, 'the rest is read again');
  all.release();
});

t.test('a page that was corrupt on its way is read again by whoever wants it next', async (t) => {
  const store = await memoryLsu();
  let flips = 1;
  const flipping = wrapStore(store, {
    read: async (key, offset, into, options) => {
      await store.read(key, offset, into, options);
      if (flips > 0) into[100] = (into[100] ?? 0) ^ 1;
      flips -= 1;
    },
  });
  const writer = new IndexWriter(store, PREFIX);
  for (let index = 0; index < 3; index += 1) writer.add([chunk(index)], PART);
  const size = 3 * CHUNK;
  const manifest = { size, fragments: [{ name: 'fragment-000001', size }], index: await written(writer) };
  const index = new ImageIndex(flipping, PREFIX, manifest, cache(), (length) => length);
  const find = async (): Promise<number[]> => (await Array.fromAsync(index.chunks(0, size))).map((one) => one.index);
  await t.rejects(find(), refusal('integrity', { code: 'VOST_BAD_INDEX' }));
  t.same(await find(), [0, 1, 2]);
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
    for await (const _ of new ImageIndex(store, PREFIX, manifest, cache(), bound).chunks(0, manifest.size)) {
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
  // An object that is a footer and nothing else, of which the manifest says that it has none.
  const bare = (await objectBytes(store, `${PREFIX}index`)).subarray(-index.footer);
  await store.put(`${PREFIX}index`, [bare]);
  const none = { ...index, size: bare.byteLength, footer: 0 };
  await t.rejects(
    read({ ...good, index: none }),
    refusal('integrity', { message: /index footer does not match the digest/ }),
  );
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
  const reader = new ImageIndex(store, PREFIX, manifest, cache(), (length) => length);
  let next = 0;
  for await (const found of reader.chunks(0, manifest.size)) {
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
