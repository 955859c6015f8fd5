import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { CallGate } from '../../../src/vast/nfs/call-gate.ts';
import { Files } from '../../../src/vast/nfs/files.ts';
import { listObjects } from '../../../src/vast/nfs/list.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { Retrier } from '../../../src/vast/retry.ts';
import { refusal } from '../../support/refusal.ts';
import { keysOf, pattern } from '../conformance/support.ts';

async function prepare(t: Test) {
  const root = t.testdir({ lsu: {} });
  const storage = new FileStorage(root);
  return { root, lsu: join(root, 'lsu'), storage, store: await storage.open('lsu') };
}

t.test('keys are paths', async (t) => {
  const { store, lsu } = await prepare(t);
  const halves = [pattern(100_000, 1), pattern(5, 2)];
  await store.put('netbackup/img/fragment-000001', [halves[0] ?? Buffer.alloc(0)]);
  await store.put('netbackup/img/fragment-000002', [halves[1] ?? Buffer.alloc(0)]);
  const paths = ['1', '2'].map((n) => join(lsu, `netbackup/img/fragment-00000${n}`));
  const { stdout } = await promisify(execFile)('cat', paths, { encoding: 'buffer' });
  t.ok(stdout.equals(Buffer.concat(halves)), 'cat puts an image together');
  await writeFile(join(lsu, 'netbackup/img/by-hand'), 'hello');
  t.match(await store.head('netbackup/img/by-hand'), { size: 5 }, 'and files of others are objects');
});

t.test('an object and a folder cannot share a name', async (t) => {
  const { store, lsu } = await prepare(t);
  const conflict = refusal('usage', { code: 'VOST_KEY_CONFLICT' });
  await store.put('a/b', []);
  await t.rejects(store.put('a/b/c', []), conflict);
  await t.rejects(store.put('a', []), conflict);
  await t.rejects(store.createUpload('a/b/c'), conflict);
  t.same(await keysOf(store), ['a/b']);
  t.same(await readdir(lsu, { recursive: true }), ['a', 'a/b'], 'no temporary file is left');
  await store.delete(['a']);
  t.same(await keysOf(store), ['a/b'], 'a folder is not deleted as an object');
});

t.test('what is not ours is not shown', async (t) => {
  const { store, lsu, root, storage } = await prepare(t);
  await mkdir(join(lsu, 'empty/deep'), { recursive: true });
  await mkdir(join(lsu, 'with space'));
  await mkdir(join(root, '.snapshot/lsu'), { recursive: true });
  await mkdir(join(root, 'lost+found'));
  await writeFile(join(root, 'file'), 'no LSU');
  await writeFile(join(lsu, '.vost-tmp-0123'), 'x');
  await writeFile(join(lsu, 'with space/x'), 'x');
  await promisify(execFile)('mkfifo', [join(lsu, 'pipe')]);
  t.same(await keysOf(store), []);
  t.same(await Array.fromAsync(store.listFolders('')), []);
  t.equal(await store.head('pipe'), undefined);
  await t.rejects(store.read('pipe', 0, Buffer.alloc(1)), { code: 'VOST_NO_SUCH_KEY' }, 'and does not hang');
  t.same(await storage.lsus(), ['lsu']);
  await t.rejects(storage.open('file'), { code: 'VOST_NO_SUCH_LSU' });
});

t.test('large directories are read window by window', async (t) => {
  const { store, root } = await prepare(t);
  const keys = Array.from({ length: 23 }, (_, index) => (index % 5 === 0 ? `d${index}/x` : `f${index}`));
  for (const key of keys) await store.put(key, []);
  const place = { lsu: 'lsu', directory: join(root, 'lsu'), files: new Files(new CallGate(2)) };
  const retrier = new Retrier();
  for (const window of [1, 2, 3, 22, 23, 24]) {
    const found = (await Array.fromAsync(listObjects(place, '', '', { window, retrier }))).map((info) => info.key);
    t.same(found, [...keys].sort(), `windows of ${window}`);
    const rest = await Array.fromAsync(listObjects(place, '', 'f13', { window, retrier }));
    t.same(
      rest.map((info) => info.key),
      keys.filter((key) => key > 'f13').sort(),
    );
  }
});

t.test('empty folders go, writers stay', async (t) => {
  const { store, lsu } = await prepare(t);
  await store.put('a/b/c/d', []);
  await store.put('a/x', []);
  await store.delete(['a/b/c/d']);
  t.same((await readdir(lsu, { recursive: true })).sort(), ['a', 'a/x']);
  await store.delete(['a/x']);
  t.same(await readdir(lsu), []);
  t.ok(await stat(lsu), 'the LSU itself stays');

  const rounds = 60;
  const writer = async (name: string): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      await store.put(`race/dir/${name}`, [Buffer.from(String(round))]);
      await store.delete([`race/dir/${name}`]);
    }
    await store.put(`race/dir/${name}`, [Buffer.from('last')]);
  };
  await Promise.all(['a', 'b', 'c'].map(writer));
  t.same(await keysOf(store, 'race/'), ['race/dir/a', 'race/dir/b', 'race/dir/c'], 'no write was lost');
});

t.test('temporary files of dead writers', async (t) => {
  const { store, lsu } = await prepare(t);
  await store.put('img/k', []);
  const stale = join(lsu, 'img/.vost-tmp-00000000000000000000000000000000');
  await writeFile(stale, 'half an object');
  await store.delete(['img/k']);
  t.same(await readdir(lsu), ['img'], 'a young one may have a living writer');
  await utimes(stale, 1, 1);
  await store.put('img/k', []);
  await store.delete(['img/k']);
  t.same(await readdir(lsu), [], 'an old one goes with its folder');
  const upload = await store.createUpload('img/u');
  for (const name of await readdir(join(lsu, 'img'))) await utimes(join(lsu, 'img', name), 1, 1);
  await store.put('img/k', []);
  await store.delete(['img/k']);
  t.same(await upload.listParts(), [], 'an upload is never swept away, however old');
});

t.test('a storage that is not there', async (t) => {
  const storage = new FileStorage('/nonexistent/vost', { policy: { budgetMs: 0 } });
  await t.rejects(storage.lsus(), refusal('not-found', { details: { errno: 'ENOENT', path: '/nonexistent/vost' } }));
  await t.rejects(storage.createLsu('x'), refusal('not-found'));
  await t.rejects(storage.open('x'), refusal('not-found'));
});

t.test('an LSU that goes away', async (t) => {
  const { store, lsu } = await prepare(t);
  const { rm } = await import('node:fs/promises');
  await rm(lsu, { recursive: true });
  const gone = refusal('not-found', { code: 'VOST_NO_SUCH_LSU' });
  await t.rejects(store.put('a/b', []), gone, 'is not made again by a write');
  await t.rejects(store.head('a'), gone);
  await t.rejects(keysOf(store), gone);
  await t.rejects(readFile(lsu), { code: 'ENOENT' });
});
