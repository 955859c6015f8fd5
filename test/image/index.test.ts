import { createHash } from 'node:crypto';
import t from 'tap';
import { ImageIndex } from '../../src/image/image-index.ts';
import { IndexWriter } from '../../src/image/index-writer.ts';
import type { Manifest } from '../../src/image/manifest.ts';
import type { StoredChunk } from '../../src/stages/packer.ts';
import { TreeHash } from '../../src/stages/tree-hash.ts';
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

t.test('an index of many pages needs bounded memory, survives disorder, and finds every range', async (t) => {
  const store = await memoryLsu();
  const writer = new IndexWriter(store, PREFIX);
  const count = 3000; // 187.5 GiB
  const tree = new TreeHash();
  for (let index = 0; index < count; index += 4) {
    const group = [3, 1, 0, 2].map((nth) => chunk(index + nth, index + nth === count - 1 ? 5 * MIB + 3 : CHUNK));
    for (const one of group) await writer.add([one]);
  }
  for (let index = 0; index < count; index += 1)
    tree.push(chunk(index, index === count - 1 ? 5 * MIB + 3 : CHUNK).leaves);
  t.equal(writer.chunks, count);
  const size = (count - 1) * CHUNK + 5 * MIB + 3;
  t.equal(writer.size, size);
  t.same(Buffer.from(writer.root), Buffer.from(tree.root()));
  const journal = writer.journalNames;
  t.ok(journal.length > 4, `${journal.length} pages went to storage`);
  const index = await writer.write();
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
  const store = await memoryLsu();
  const writer = new IndexWriter(store, PREFIX);
  await writer.add([chunk(0), chunk(1)]);
  const index = await writer.write();
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
  for (let index = 0; index < 2000; index += 1) await writer.add([chunk(index)]);
  const [name] = writer.journalNames;
  const page = await objectBytes(store, `${PREFIX}${name}`);
  page[100] = (page[100] ?? 0) ^ 1;
  await store.put(`${PREFIX}${name}`, [page]);
  await t.rejects(writer.write(), refusal('integrity'));
  t.notOk((await keysOf(store)).includes(`${PREFIX}index`));
});

t.test('a chunk that was never acknowledged is an error, not a hole', async (t) => {
  const writer = new IndexWriter(await memoryLsu(), PREFIX);
  await writer.add([chunk(1)]);
  await t.rejects(writer.write(), { code: 'VOST_LOST_CHUNK' });
});
