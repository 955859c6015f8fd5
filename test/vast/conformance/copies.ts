import type { Test } from 'tap';
import { refusal } from '../../support/refusal.ts';
import { fetch, keysOf, pattern, type Subject } from './support.ts';

export async function copyConformance(t: Test, { fresh, features }: Subject): Promise<void> {
  await t.test('inside an LSU and across', async (t) => {
    const one = await fresh();
    const two = await fresh();
    for (const size of [0, 1, features.partBytes * 2 + 99]) {
      const bytes = pattern(size, 3);
      await one.put('from/a=b', [bytes]);
      t.match(await one.copy({ lsu: one.lsu, key: 'from/a=b' }, 'to/x'), { key: 'to/x', size });
      t.ok(bytes.equals(await fetch(one, 'to/x')), `${size} bytes inside`);
      if (features.apart) {
        await t.rejects(two.copy({ lsu: one.lsu, key: 'from/a=b' }, 'far/x'), refusal('not-found'));
        continue;
      }
      t.match(await two.copy({ lsu: one.lsu, key: 'from/a=b' }, 'far/x'), { key: 'far/x', size });
      t.ok(bytes.equals(await fetch(two, 'far/x')), `${size} bytes across, over an older object`);
    }
    await one.put('from/a=b', [Buffer.from('changed')]);
    t.not((await fetch(one, 'to/x')).toString(), 'changed', 'a copy stands alone');
  });

  await t.test('errors', async (t) => {
    const store = await fresh();
    await t.rejects(store.copy({ lsu: store.lsu, key: 'none' }, 'x/y'), refusal('not-found'));
    await t.rejects(store.copy({ lsu: 'conformance-missing', key: 'a' }, 'x/y'), refusal('not-found'));
    await t.rejects(store.copy({ lsu: '../x', key: 'a' }, 'x/y'), refusal('usage'));
    t.same(await keysOf(store), []);
  });
}
