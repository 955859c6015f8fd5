import type { Test } from 'tap';
import { refusal } from '../../support/refusal.ts';
import type { Subject } from './support.ts';

export async function lsuConformance(t: Test, { storage, features, fresh }: Subject): Promise<void> {
  await t.test('create, list, open', async (t) => {
    const one = await fresh();
    const two = await fresh();
    const names = await storage.lsus();
    t.ok(names.includes(one.lsu) && names.includes(two.lsu), 'new LSUs are listed');
    t.same(names, [...names].sort(), 'in ascending order');
    t.equal((await storage.open(one.lsu)).lsu, one.lsu);
    const other = features.reopen();
    t.equal((await other.open(one.lsu)).lsu, one.lsu, 'and another process sees them');
    await other.close();
    t.notMatch(storage.name, /secret/i, 'the name is fit for people');
  });

  await t.test('errors', async (t) => {
    const store = await fresh();
    await t.rejects(storage.createLsu(store.lsu), refusal('exists'), 'an LSU is made once');
    await store.put('kept', [Buffer.from('x')]);
    await t.rejects(storage.createLsu(store.lsu), refusal('exists'), 'also when it has objects');
    t.ok(await store.head('kept'), 'which stay');
    await t.rejects(storage.open('conformance-missing'), refusal('not-found'), 'only LSUs that exist can be opened');
    t.notOk((await storage.lsus()).includes('conformance-missing'), 'and opening makes none');
  });

  await t.test('bad names', async (t) => {
    const bad = ['', '.', '..', 'a/b', '../x', '.hidden', 'with space', 'nul\0', 'ü', 'x'.repeat(64)];
    for (const name of bad) {
      await t.rejects(storage.createLsu(name), refusal('usage', { code: 'VOST_BAD_LSU' }), JSON.stringify(name));
      await t.rejects(storage.open(name), refusal('usage', { code: 'VOST_BAD_LSU' }), JSON.stringify(name));
    }
    // Not compared with the list before: others may use the same server.
    const names = await storage.lsus();
    t.notOk(bad.some((name) => names.includes(name)));
  });

  await t.test('LSUs are apart', async (t) => {
    const one = await fresh();
    const two = await fresh();
    await one.put('same/key', [Buffer.from('one')]);
    t.equal(await two.head('same/key'), undefined);
  });
}
