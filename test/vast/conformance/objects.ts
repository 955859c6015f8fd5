import type { Test } from 'tap';
import { refusal } from '../../support/refusal.ts';
import { fetch, keysOf, pattern, type Subject } from './support.ts';

const BAD_KEYS = [
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  'a/../b',
  '../a',
  './a',
  'a/.',
  'a b',
  'a\0',
  'a\n',
  'ä',
  'a\\b',
  '*',
  '.vost-tmp-1',
  'a/.vost-x/b',
  '.nfs0001',
  'x'.repeat(256),
  `${'x/'.repeat(600)}y`,
];

export async function objectConformance(t: Test, { fresh }: Subject): Promise<void> {
  await t.test('put and read', async (t) => {
    const store = await fresh();
    for (const size of [0, 1, 4095, 4096, 65_537]) {
      const bytes = pattern(size, size + 1);
      const info = await store.put(`size-${size}`, [bytes]);
      t.match(info, { key: `size-${size}`, size });
      t.ok(bytes.equals(await fetch(store, `size-${size}`)), `${size} bytes come back`);
    }
    const whole = pattern(300_000);
    const pieces = [whole.subarray(0, 1), whole.subarray(1, 1), whole.subarray(1, 200_000), whole.subarray(200_000)];
    await store.put('many/pieces/deep.down', pieces);
    t.ok(whole.equals(await fetch(store, 'many/pieces/deep.down')), 'the pieces are joined in order');
    await store.put('nothing', []);
    t.equal((await store.head('nothing'))?.size, 0, 'no piece is an empty object');
  });

  await t.test('odd keys', async (t) => {
    const store = await fresh();
    const odd = ['a=b', '=', '-', '...', '.x', 'A.b_c-D=9/..x/x..', 'x'.repeat(255), `${'d/'.repeat(200)}e`];
    for (const key of odd) await store.put(key, [Buffer.from(key)]);
    for (const key of odd) t.equal((await fetch(store, key)).toString(), key);
    t.same(await keysOf(store), [...odd].sort());
  });

  await t.test('replace', async (t) => {
    const store = await fresh();
    const first = await store.put('a/x', [pattern(100_000, 1)]);
    const second = await store.put('a/x', [pattern(50, 2)]);
    t.not(first.etag, second.etag, 'the marker changes');
    t.ok(pattern(50, 2).equals(await fetch(store, 'a/x')), 'and the whole object');
    t.same(await keysOf(store), ['a/x']);
  });

  await t.test('replacing is atomic', async (t) => {
    const store = await fresh();
    const versions = [1, 2].map((seed) => pattern(200_000, seed));
    await store.put('x', [versions[0] ?? Buffer.alloc(0)]);
    const into = Buffer.alloc(200_000);
    const writes = (async () => {
      for (let round = 0; round < 10; round += 1) await store.put('x', [versions[round % 2] ?? Buffer.alloc(0)]);
    })();
    let torn = 0;
    for (let round = 0; round < 10; round += 1) {
      await store.read('x', 0, into);
      if (!versions.some((version) => version.equals(into))) torn += 1;
    }
    await writes;
    t.equal(torn, 0, 'a reader sees one version or the other');
  });

  await t.test('head', async (t) => {
    const store = await fresh();
    t.equal(await store.head('a/b'), undefined);
    const before = Date.now();
    const put = await store.put('a/b', [pattern(10)]);
    const info = await store.head('a/b');
    t.match(info, { key: 'a/b', size: 10, etag: put.etag });
    t.ok(Math.abs((info?.modified ?? 0) - before) < 60_000, 'modified is in milliseconds');
    t.ok(Math.abs(put.modified - before) < 60_000, 'also in the answer of put');
    t.equal(await store.head('a'), undefined, 'a folder is no object');
    t.equal(await store.head('a/b/c'), undefined, 'nothing is below an object');
  });

  await t.test('ranges', async (t) => {
    const store = await fresh();
    const bytes = pattern(10_000);
    await store.put('r', [bytes]);
    for (const [offset, length] of [
      [0, 1],
      [0, 10_000],
      [9_999, 1],
      [4_095, 4_098],
      [1, 9_998],
      [0, 0],
      [10_000, 0],
    ] as const) {
      const room = Buffer.alloc(length + 64, 0xee);
      const view = room.subarray(32, 32 + length);
      await store.read('r', offset, view);
      t.ok(view.equals(bytes.subarray(offset, offset + length)), `${length} bytes at ${offset}`);
      t.ok(room.subarray(0, 32).every((byte) => byte === 0xee) && room.subarray(32 + length).every((b) => b === 0xee));
    }
    for (const [offset, length] of [
      [0, 10_001],
      [9_999, 2],
      [10_000, 1],
      [50_000, 10],
      [10_001, 0],
    ] as const) {
      const short = refusal('not-found', { code: 'VOST_SHORT_READ' });
      await t.rejects(store.read('r', offset, Buffer.alloc(length)), short, `${length} bytes at ${offset} is short`);
    }
    await store.put('empty', []);
    await store.read('empty', 0, Buffer.alloc(0));
    await t.rejects(store.read('empty', 0, Buffer.alloc(1)), { code: 'VOST_SHORT_READ' });
    await t.rejects(store.read('none', 0, Buffer.alloc(1)), refusal('not-found', { code: 'VOST_NO_SUCH_KEY' }));
    await t.rejects(store.read('none', 0, Buffer.alloc(0)), refusal('not-found', { code: 'VOST_NO_SUCH_KEY' }));
    for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) {
      await t.rejects(store.read('r', offset, Buffer.alloc(1)), refusal('usage'), `offset ${offset}`);
    }
  });

  await t.test('delete', async (t) => {
    const store = await fresh();
    await store.put('a/1', [pattern(1)]);
    await store.put('a/2', [pattern(1)]);
    await store.delete(['a/1', 'never/was']);
    t.same(await keysOf(store), ['a/2']);
    await store.delete(['a/1', 'a/2']);
    await store.delete(['a/1', 'a/2']);
    await store.delete([]);
    t.same(await keysOf(store), []);
    await t.rejects(store.read('a/1', 0, Buffer.alloc(1)), refusal('not-found'));
    await store.put('a/1', [pattern(3)]);
    t.same(await keysOf(store), ['a/1'], 'a deleted key can be written again');
  });

  await t.test('delete more than a thousand', async (t) => {
    const store = await fresh();
    const keys = Array.from({ length: 40 }, (_, index) => `many/k${index}`);
    await Promise.all(keys.map((key) => store.put(key, [pattern(1)])));
    await store.put('stay', [pattern(1)]);
    const absent = Array.from({ length: 2_100 }, (_, index) => `absent/a${index}`);
    await store.delete([...absent.slice(0, 1_000), ...keys, ...absent.slice(1_000)]);
    t.same(await keysOf(store), ['stay']);
  });

  await t.test('bad keys', async (t) => {
    const store = await fresh();
    const usage = refusal('usage', { code: 'VOST_BAD_KEY' });
    for (const key of BAD_KEYS) {
      const shown = JSON.stringify(key.slice(0, 20));
      await t.rejects(store.put(key, []), usage, `put ${shown}`);
      await t.rejects(store.read(key, 0, Buffer.alloc(1)), usage, `read ${shown}`);
      await t.rejects(store.head(key), usage, `head ${shown}`);
      await t.rejects(store.delete(['good', key]), usage, `delete ${shown}`);
      await t.rejects(store.createUpload(key), usage, `createUpload ${shown}`);
      t.throws(() => store.resumeUpload(key, '1'), usage, `resumeUpload ${shown}`);
      await t.rejects(store.copy({ lsu: store.lsu, key }, 'good'), usage, `copy from ${shown}`);
      await t.rejects(store.copy({ lsu: store.lsu, key: 'good' }, key), usage, `copy to ${shown}`);
    }
    t.same(await keysOf(store), []);
  });
}
