import { mkdir, mkdtemp, readdir, readFile, readlink, rename, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { imagePrefix } from '../../../src/image/names.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { readImage, testResources, writeImage, writerOptions } from '../../image/support.ts';
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
  promise({
    row: 'security',
    promise: 'Nothing outside of a directory store is read, written or removed through it',
    fault: 'LSUs, folders and objects that are symbolic links, or become some in the middle of a write',
  });
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

/** Put a link that leads to `outside` in the place of what is there. */
async function swap(path: string, outside: string): Promise<void> {
  await rename(path, `${path}.away`);
  await symlink(outside, path);
}

t.test('a folder swapped for a link in the middle of a write', async (t) => {
  const { store, outside, lsu } = await prepare(t);
  const dir = join(outside, 'dir');
  const before = await readdir(dir);
  const bytes = Buffer.alloc(1000, 1);
  await store.put('real/one', [bytes]);
  const upload = await store.createUpload('real/up');
  const first = await upload.putPart({ number: 1, offset: 0, size: 1000, body: [bytes] });
  const gate = Promise.withResolvers<void>();
  const put = store.putStream(
    'real/stream',
    (async function* () {
      yield bytes;
      await swap(join(lsu, 'real'), dir);
      gate.resolve();
      yield bytes;
    })(),
  );
  await gate.promise;
  // It may end where it began, or fail; never beyond the link.
  await put.catch((error: unknown) => t.match(error, LINK));
  const second = { number: 2, offset: 1000, size: 1000, body: [bytes] };
  await t.rejects(upload.putPart(second), LINK, 'the next part');
  await t.rejects(upload.complete([first]), LINK);
  await t.rejects(upload.abort(), LINK);
  await t.rejects(store.delete(['real/one', 'real/inner']), LINK);
  await t.rejects(store.put('real/one', [bytes]), LINK);
  t.same(await readdir(dir), before, 'nothing came, nothing went');
  t.equal(await readFile(join(dir, 'inner'), 'utf8'), 'outside');
});

t.test('an LSU swapped for a link after it was opened', async (t) => {
  const { store, outside, lsu } = await prepare(t);
  await swap(lsu, outside);
  await t.rejects(store.read('secret', 0, Buffer.alloc(7)), LINK);
  await t.rejects(store.put('new', [Buffer.alloc(1)]), LINK);
  await t.rejects(store.delete(['secret']), LINK);
  await t.rejects(keysOf(store), LINK);
  t.same((await readdir(outside)).sort(), ['dir', 'secret']);
});

t.test('an image whose objects are links to files that others may not read', async (t) => {
  const { store, lsu } = await prepare(t);
  const resources = testResources(t);
  const { imageId } = await writeImage(store, resources, writerOptions(resources, 'image'), Buffer.alloc(4096, 1));
  for (const name of ['fragment-000001', 'index', 'image.meta']) {
    const path = join(lsu, imagePrefix(imageId), name);
    await rename(path, `${path}.away`);
    await symlink('/etc/passwd', path);
    // A link is no object: whoever looks first finds none.
    const expected = name === 'image.meta' ? 'not-found' : 'access';
    await t.rejects(readImage(store, resources, imageId), refusal(expected), name);
    await rename(`${path}.away`, path);
  }
  t.ok((await readImage(store, resources, imageId)).equals(Buffer.alloc(4096, 1)));
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
