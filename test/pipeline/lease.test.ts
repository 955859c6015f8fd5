import t from 'tap';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { LeaseScope, noLease, shareLease } from '../../src/pipeline/lease.ts';

t.test('a scope knows what is held and releases each lease once', async (t) => {
  const scope = new LeaseScope();
  const released: string[] = [];
  const a = scope.add(() => released.push('a'));
  scope.add(() => released.push('b'));
  t.equal(scope.size, 2);
  a.release();
  a.release();
  t.strictSame([released, scope.size], [['a'], 1]);
  scope.releaseAll();
  scope.releaseAll();
  t.strictSame([released, scope.size], [['a', 'b'], 0]);
});

t.test('tickets', async (t) => {
  const scope = new LeaseScope();
  const budget = new ByteBudget(10);
  scope.addTicket(await budget.take(4));
  const lease = scope.addTicket(await budget.take(3));
  lease.release();
  t.equal(budget.used, 4);
  scope.releaseAll();
  t.equal(budget.used, 0);
});

t.test('a shared lease is released with the last holder, whoever that is', async (t) => {
  let released = 0;
  const leases = shareLease({ release: () => (released += 1) }, 3);
  t.equal(leases.length, 3);
  leases[2]?.release();
  leases[2]?.release();
  leases[0]?.release();
  t.equal(released, 0);
  leases[1]?.release();
  leases[1]?.release();
  t.equal(released, 1);
});

t.test('no lease', async (t) => {
  t.doesNotThrow(() => noLease.release());
});
