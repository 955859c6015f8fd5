import t from 'tap';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { IdleCache } from '../../src/pipeline/idle-cache.ts';

const MIB = 2 ** 20;

t.test('what was used longest ago goes first, and no more than 32 MiB stay', async (t) => {
  const budget = new ByteBudget(1024 * MIB);
  const cache = new IdleCache(budget);
  const [a, b, c] = [10, 10, 10].map((mib) => ({ bytes: mib * MIB }));
  for (const [key, one] of Object.entries({ a, b, c })) if (one) cache.set(key, one);
  t.equal(cache.get('a'), a);
  t.equal(budget.idle, 30 * MIB);
  const d = { bytes: 12 * MIB };
  cache.set('d', d);
  t.same(
    ['a', 'b', 'c', 'd'].map((key) => cache.get(key)),
    [a, undefined, c, d],
  );
  t.equal(budget.idle, 32 * MIB);
  cache.delete('c');
  cache.delete('c');
  t.equal(budget.idle, 22 * MIB);
});

t.test('a new one takes the place of the one before; one that is too large is alone', async (t) => {
  const budget = new ByteBudget(1024 * MIB);
  const cache = new IdleCache(budget);
  cache.set('a', { bytes: 7 });
  cache.set('a', { bytes: 5 });
  t.equal(budget.idle, 5);
  const large = { bytes: 100 * MIB };
  cache.set('b', large);
  t.equal(cache.get('a'), undefined);
  t.equal(cache.get('b'), large);
  cache.set('a', { bytes: 5 });
  t.equal(budget.idle, 5);
});

t.test('whoever needs the room has it, and no more goes than that', async (t) => {
  const budget = new ByteBudget(100);
  const cache = new IdleCache(budget);
  for (const key of ['a', 'b', 'c']) cache.set(key, { bytes: 20 });
  const ticket = await budget.take(50);
  t.equal(budget.idle, 40);
  t.equal(cache.get('a'), undefined);
  ticket.release();
  (await budget.take(100)).release();
  t.equal(budget.idle, 0);
});
