import t from 'tap';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { FileStorage } from '../../src/vast/nfs/storage.ts';
import { context, feed, layout, Slots } from '../image/handle-support.ts';
import { MIB, randomBytes, testResources, writeImage, writerOptions } from '../image/support.ts';
import { orphans } from './orphans.ts';
import { tempDir } from './temp-dir.ts';

t.test('what nobody names is told; images, unfinished ones and what gc knows are not', async (t) => {
  const root = tempDir();
  const storage = new FileStorage(root);
  t.teardown(() => storage.close());
  await storage.createLsu('lsu');
  const store = await storage.open('lsu');
  const resources = testResources(t);
  await writeImage(store, resources, writerOptions(resources, 'whole'), randomBytes(2 * MIB));
  const handle = await createWriteHandle(context(store, resources), layout(resources, 'begun'));
  await feed(handle, new Slots(2), randomBytes(2 * MIB + 512));
  await handle.close('incomplete', 2 * MIB + 512);
  const upload = await store.createUpload('netbackup/x_1700000000_0123456789abcdef/fragment-000001');
  await upload.putPart({ number: 1, offset: 0, body: [randomBytes(10)], size: 10 });
  t.same(await orphans(store, `${root}/lsu`), []);
  await store.put('netbackup/nobody/knows', [randomBytes(1)]);
  t.same(await orphans(store, `${root}/lsu`), ['netbackup/nobody/knows']);
});
