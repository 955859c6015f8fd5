import { mkdir, mkdtemp, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { promise } from '../../support/promise.ts';
import { refusal } from '../../support/refusal.ts';
import { keysOf } from '../conformance/support.ts';

/** An LSU with links that lead out of it. */
async function prepare(t: Test) {
  const base = t.testdir({
    outside: { secret: 'outside', dir: { inner: 'outside' } },
    root: { lsu: { real: { key: 'inside' } } },
  });
  const outside = join(base, 'outside');
  const lsu = join(base, 'root/lsu');
  await symlink(outside, join(base, 'root/linked'));
  await symlink(join(outside, 'dir'), join(lsu, 'dirlink'));
  await symlink(join(outside, 'secret'), join(lsu, 'filelink'));
  await symlink(join(outside, 'new'), join(lsu, 'dangling'));
  const storage = new FileStorage(join(base, 'root'));
  return { outside, lsu, storage, store: await storage.open('lsu') };
}

const LINK = refusal('access', { code: 'VOST_SYMLINK' });

t.test('LSUs that are links', async (t) => {
  const { storage } = await prepare(t);
  t.same(await storage.lsus(), ['lsu'], 'are not listed');
  await t.rejects(storage.open('linked'), LINK, 'not opened');
  await t.rejects(storage.createLsu('linked'), refusal('exists'));
});

t.test('links below an LSU', async (t) => {
  promise({
    row: 'security',
    promise: 'Symbolic links below an LSU are not followed',
    fault: 'links as objects and as folders',
  });
  const { store, outside, lsu } = await prepare(t);
  const into = Buffer.alloc(7);
  await t.rejects(store.read('filelink', 0, into), LINK, 'a file is not read through a link');
  await t.rejects(store.read('dirlink/inner', 0, into), LINK, 'nor through a linked folder');
  await t.rejects(store.head('dirlink/inner'), LINK);
  await t.rejects(store.put('dirlink/inner', [into]), LINK, 'nor written');
  await t.rejects(store.put('dirlink/sub/x', [into]), LINK);
  await t.rejects(store.delete(['dirlink/inner']), LINK, 'nor deleted');
  await t.rejects(store.createUpload('dirlink/up'), LINK);
  await t.rejects(store.copy({ lsu: 'lsu', key: 'filelink' }, 'copy'), LINK, 'nor copied');
  await t.rejects(store.copy({ lsu: 'linked', key: 'secret' }, 'copy'), LINK);
  t.equal(await store.head('filelink'), undefined, 'a link is no object');
  t.same(await keysOf(store), ['real/key']);
  t.same(await Array.fromAsync(store.listFolders('')), ['real']);
  t.equal(await readFile(join(outside, 'dir/inner'), 'utf8'), 'outside', 'what is outside stays');

  await store.put('filelink', [Buffer.from('replaced')]);
  await store.put('dangling', [Buffer.from('replaced')]);
  t.equal(await readFile(join(outside, 'secret'), 'utf8'), 'outside', 'a put replaces the link itself');
  await t.rejects(readFile(join(outside, 'new')), { code: 'ENOENT' });
  t.equal(await readFile(join(lsu, 'filelink'), 'utf8'), 'replaced');
  await store.delete(['dangling']);
  t.equal(await readlink(join(lsu, 'dirlink')), join(outside, 'dir'));
});

t.test('the storage itself may be reached by a link', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'vost-links-'));
  t.teardown(async () => (await import('node:fs/promises')).rm(base, { recursive: true }));
  await mkdir(join(base, 'real/lsu'), { recursive: true });
  await writeFile(join(base, 'real/lsu/k'), 'x');
  await symlink(join(base, 'real'), join(base, 'mount'));
  const store = await new FileStorage(join(base, 'mount')).open('lsu');
  t.same(await keysOf(store), ['k']);
});
