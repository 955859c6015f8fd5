import type { Test } from 'tap';
import { refusal } from '../../support/refusal.ts';
import { all, keysOf, pattern, type Subject } from './support.ts';

/** Keys whose order is easily got wrong: '-' and '.' sort before '/', digits and letters behind. */
const ODD = ['a-b/c', 'a-c', 'a.b', 'a/-', 'a/b', 'a/b-/x', 'a/b.x', 'a/c/d', 'a0', 'a=', 'aA/x', 'a_', 'aa', 'B', '_'];

export async function listConformance(t: Test, { features, fresh }: Subject): Promise<void> {
  await t.test('order, prefix, startAfter', async (t) => {
    const store = await fresh();
    t.same(await keysOf(store), [], 'an empty LSU');
    // 'a/b' would be object and folder at once in a directory, so it has no keys below.
    for (const key of ODD) await store.put(key, [pattern(key.length)]);
    const sorted = [...ODD].sort();
    const infos = await all(store.list());
    t.same(
      infos.map((info) => info.key),
      sorted,
      'ascending byte order',
    );
    t.same(
      infos.map((info) => info.size),
      sorted.map((key) => key.length),
    );
    for (const info of infos) t.match(await store.head(info.key), { etag: info.etag, size: info.size });
    for (const prefix of ['a', 'a/', 'a/b', 'a-', 'a/b-/', 'zz', 'a/c/d', 'a/c/d/', 'x/y/z', 'B']) {
      const wanted = sorted.filter((key) => key.startsWith(prefix));
      t.same(await keysOf(store, prefix), wanted, `prefix ${prefix}`);
    }
    for (const startAfter of ['', ...sorted, 'a/', 'a', 'a/b-', 'zzz', 'a/b-/y', '!', 'a/b/c']) {
      const wanted = sorted.filter((key) => key > startAfter);
      const found = (await all(store.list({ startAfter }))).map((info) => info.key);
      t.same(found, wanted, `after ${startAfter}`);
      const below = (await all(store.list({ prefix: 'a/', startAfter }))).map((info) => info.key);
      t.same(
        below,
        wanted.filter((key) => key.startsWith('a/')),
        `below a/ after ${startAfter}`,
      );
    }
  });

  await t.test('several pages', async (t) => {
    const store = await fresh();
    const count = features.pageSize * 2 + 3;
    const keys = Array.from({ length: count }, (_, index) => `p/${index % 7}/k${index}`);
    for (let at = 0; at < count; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, [])));
    }
    t.same(await keysOf(store), [...keys].sort());
    t.same(await keysOf(store, 'p/3/'), keys.filter((key) => key.startsWith('p/3/')).sort());
    let seen = 0;
    for await (const _ of store.list()) {
      seen += 1;
      if (seen === 3) break;
    }
    t.equal(seen, 3, 'a listing can be left');
  });

  await t.test('folders', async (t) => {
    const store = await fresh();
    t.same(await all(store.listFolders('')), []);
    for (const key of ODD) await store.put(key, []);
    t.same(await all(store.listFolders('')), ['a-b', 'a', 'aA'], 'in the order of name/');
    t.same(await all(store.listFolders('a/')), ['b-', 'c']);
    t.same(await all(store.listFolders('a/c/')), []);
    t.same(await all(store.listFolders('none/')), []);
    await store.delete(['a/c/d']);
    t.same(await all(store.listFolders('a/')), ['b-'], 'a folder ends with its last object');
    const count = features.pageSize * 2 + 3;
    const names = Array.from({ length: count }, (_, index) => `f${index}`);
    for (let at = 0; at < count; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => store.put(`many/${name}/x`, [])));
    }
    t.same(await all(store.listFolders('many/')), [...names].sort(), 'several pages');
  });

  await t.test('an unfinished upload shows nowhere', async (t) => {
    const store = await fresh();
    const upload = await store.createUpload('img/fragment');
    await upload.putPart({ number: 1, offset: 0, body: [pattern(10)], size: 10 });
    t.same(await keysOf(store), []);
    t.same(await all(store.listFolders('')), []);
    t.equal(await store.head('img/fragment'), undefined);
    await upload.abort();
  });

  await t.test('bad prefixes', async (t) => {
    const store = await fresh();
    const usage = refusal('usage', { code: 'VOST_BAD_KEY' });
    for (const prefix of ['/', '../', 'a/../', 'a//', './', 'a b', 'ä', '\0', '/etc/']) {
      await t.rejects(keysOf(store, prefix), usage, `list ${JSON.stringify(prefix)}`);
      await t.rejects(all(store.listFolders(prefix)), usage, `listFolders ${JSON.stringify(prefix)}`);
      await t.rejects(all(store.listUploads(prefix)), usage, `listUploads ${JSON.stringify(prefix)}`);
    }
    await t.rejects(all(store.listFolders('half')), usage, 'a folder prefix ends in a slash');
  });
}
