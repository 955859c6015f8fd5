import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { refusal } from '../../support/refusal.ts';

t.test('an LSU as a snapshot has it', async (t) => {
  const root = t.testdir({
    lsu: { now: 'now', '.snapshot': { 'vast-ost-1': { before: 'then' }, other: {} } },
    bare: {},
  });
  const storage = new FileStorage(root);
  t.teardown(() => storage.close());
  t.strictSame(await storage.snapshots('lsu'), ['other', 'vast-ost-1']);
  t.strictSame(await storage.snapshots('bare'), [], 'a view may hide them');
  const store = await storage.openSnapshot('lsu', 'vast-ost-1');
  const bytes = new Uint8Array(4);
  await store.read('before', 0, bytes);
  await t.rejects(store.read('now', 0, new Uint8Array(1)), refusal('not-found'));
  t.equal(Buffer.from(bytes).toString(), 'then');
  t.equal(await store.head('now'), undefined);
  const keys: string[] = [];
  for await (const { key } of (await storage.open('lsu')).list()) keys.push(key);
  t.strictSame(keys, ['now'], 'no snapshot in the LSU itself');
});

t.test('what is no snapshot', async (t) => {
  const root = t.testdir({ lsu: { '.snapshot': {} }, secret: { inside: 'x' } });
  const storage = new FileStorage(root);
  t.teardown(() => storage.close());
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside', 'key'), 'x');
  symlinkSync(join(root, 'outside'), join(root, 'lsu', '.snapshot', 'link'));
  await t.rejects(storage.openSnapshot('lsu', 'gone'), refusal('not-found'));
  await t.rejects(storage.openSnapshot('gone', 'any'), refusal('not-found'));
  await t.rejects(storage.openSnapshot('lsu', '..'), refusal('usage'));
  await t.rejects(storage.openSnapshot('lsu', '../../secret'), refusal('usage'));
  await t.rejects(storage.openSnapshot('lsu', 'link'), { code: 'VOST_SYMLINK' });
  await t.rejects(storage.snapshots('gone'), refusal('not-found'));
  mkdirSync(join(root, 'linked'));
  symlinkSync(join(root, 'secret'), join(root, 'linked', '.snapshot'));
  await t.rejects(storage.snapshots('linked'), { code: 'VOST_SYMLINK' });
  await t.rejects(storage.openSnapshot('linked', 'any'), { code: 'VOST_SYMLINK' });
});
