/**
 * What every store must do: one check per sentence of src/vast/store.ts. Run by the memory store, the
 * directory store and the S3 store, against each server there is.
 */
import type { Test } from 'tap';
import { abortConformance } from './conformance/aborts.ts';
import { copyConformance } from './conformance/copies.ts';
import { listConformance } from './conformance/lists.ts';
import { lsuConformance } from './conformance/lsus.ts';
import { objectConformance } from './conformance/objects.ts';
import { retentionConformance } from './conformance/retention.ts';
import { streamConformance } from './conformance/streams.ts';
import { descriptors, descriptorsAtMost, type MakeStorage, type Subject } from './conformance/support.ts';
import { uploadConformance } from './conformance/uploads.ts';

export type { MadeStorage, MakeStorage, StoreFeatures } from './conformance/support.ts';

const GROUPS = {
  lsus: lsuConformance,
  objects: objectConformance,
  streams: streamConformance,
  lists: listConformance,
  uploads: uploadConformance,
  copies: copyConformance,
  aborts: abortConformance,
  retention: retentionConformance,
};

let serial = 0;

export async function storeConformance(t: Test, makeStorage: MakeStorage): Promise<void> {
  const before = await descriptors();
  const { storage, features, cleanup } = await makeStorage(t);
  const fresh: Subject['fresh'] = async () => {
    serial += 1;
    const lsu = `conformance-${process.pid}-${serial}`;
    await storage.createLsu(lsu);
    return storage.open(lsu);
  };
  for (const [name, group] of Object.entries(GROUPS)) {
    await t.test(name, (t) => group(t, { storage, features, fresh }));
  }
  await t.test('after close', async (t) => {
    const store = await fresh();
    await store.put('a', [Buffer.from('a')]);
    await storage.close();
    await t.rejects(store.put('b', [Buffer.from('b')]), { code: 'VOST_STORAGE_CLOSED' }, 'a closed store refuses');
    await t.rejects(storage.lsus(), { code: 'VOST_STORAGE_CLOSED' }, 'a closed storage refuses');
    await storage.close();
    await cleanup();
    t.ok(await descriptorsAtMost(before), 'no file or socket is left open');
  });
}
