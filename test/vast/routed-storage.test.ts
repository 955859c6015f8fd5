import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import { FileStorage, type FileStorageOptions } from '../../src/vast/nfs/storage.ts';
import { RoutedStorage } from '../../src/vast/routed-storage.ts';
import type { Storage } from '../../src/vast/store.ts';
import { refusal } from '../support/refusal.ts';
import { fetch } from './conformance/support.ts';
import { storeConformance } from './store-conformance.ts';

/** More than the suite makes. */
const LSUS = 200;

t.test('every second LSU lies in a directory of its own', async (t) => {
  await storeConformance(t, async (t) => {
    const [dir, state] = [t.testdir({}), new Map()];
    const names = Array.from({ length: LSUS }, (_, nth) => `conformance-${process.pid}-${nth * 2}`);
    const make = (): Storage =>
      new RoutedStorage(
        new MemoryStorage(state),
        new Map(names.map((lsu, nth) => [lsu, new FileStorage(join(dir, `mount-${nth}`), { only: lsu })])),
      );
    return {
      storage: make(),
      features: { reopen: make, partBytes: 300_000, streamPartBytes: 300_000, pageSize: 100, apart: true },
      cleanup: async () => undefined,
    };
  });
});

t.test('an LSU that lies elsewhere is never looked for in the main storage', async (t) => {
  const dir = t.testdir({ mount: { 'a=b': 'here' } });
  const main = new MemoryStorage();
  for (const lsu of ['bucket', 'files', 'zz']) await main.createLsu(lsu);
  await (await main.open('files')).put('a=b', [Buffer.from('there')]);
  const files = new FileStorage(join(dir, 'mount'), { only: 'files' });
  const storage = new RoutedStorage(main, new Map([['files', files]]));
  t.teardown(() => storage.close());
  t.strictSame(await storage.lsus(), ['bucket', 'files', 'zz'], 'once, though it is a bucket as well');
  t.equal((await fetch(await storage.open('files'), 'a=b')).toString(), 'here');
  t.equal(storage.part('files'), files);
  t.equal(storage.part('bucket'), main);
  t.equal(storage.name, main.name);
  await t.rejects(files.open('bucket'), refusal('not-found'));
  await storage.close();
  await t.rejects(files.open('files'), { code: 'VOST_STORAGE_CLOSED' });
});

t.test('a mount that is missing keeps nobody from the other LSUs', async (t) => {
  const dir = t.testdir({ one: {}, two: {} });
  let mounts = '';
  const options = (only: string): FileStorageOptions => ({
    only,
    exported: `/vast-ost/${only}`,
    mountinfo: async () => mounts,
  });
  const main = new MemoryStorage();
  await main.createLsu('bucket');
  const elsewhere = ['one', 'two'].map((lsu) => [lsu, new FileStorage(join(dir, lsu), options(lsu))] as const);
  const storage = new RoutedStorage(main, new Map(elsewhere));
  t.teardown(() => storage.close());
  const missing = refusal('retryable', { code: 'VOST_NOT_MOUNTED', message: /one is no NFS mount/ });
  const mount = (lsu: string) => `1 1 0:1 / ${join(dir, lsu)} rw - nfs vip:/vast-ost/${lsu} rw\n`;
  mounts = mount('two');
  t.strictSame(await storage.lsus(), ['bucket', 'one', 'two']);
  await storage.verify();
  await storage.verify('bucket');
  await storage.verify('two');
  await t.rejects(storage.verify('one'), missing);
  await t.rejects(storage.open('one'), missing);
  await t.rejects(storage.createLsu('one'), missing, 'nothing is made in its place');
  const store = await storage.open('two');
  await store.put('key', [Buffer.from('x')]);
  mounts += mount('one');
  t.equal((await storage.open('one')).lsu, 'one', 'found when it is there');
  mounts = '';
  await t.rejects(storage.verify('two'), { code: 'VOST_NOT_MOUNTED' }, 'looked at again');
});

t.test('snapshots of an LSU that is a directory', async (t) => {
  const dir = t.testdir({ mount: { key: 'now' } });
  const snapshot = join(dir, 'mount', '.snapshot', 'vast-ost-1');
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(join(snapshot, 'key'), 'then');
  const storage = new FileStorage(join(dir, 'mount'), { only: 'files' });
  t.teardown(() => storage.close());
  t.strictSame(await storage.snapshots('files'), ['vast-ost-1']);
  t.equal((await fetch(await storage.openSnapshot('files', 'vast-ost-1'), 'key')).toString(), 'then');
});
