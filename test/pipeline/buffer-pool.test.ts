import t from 'tap';
import { BufferPool } from '../../src/pipeline/buffer-pool.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';

const MIB = 2 ** 20;

t.test('what comes back is used again; small memory is not kept', async (t) => {
  const pool = new BufferPool(new ByteBudget(64 * MIB));
  const first = pool.take(3 * MIB - 5);
  t.equal(first.byteLength, 3 * MIB);
  pool.give(first);
  t.equal(pool.take(2 * MIB + 1), first);
  t.not(pool.take(2 * MIB + 1), first, 'and by one only');
  const small = pool.take(1000);
  t.equal(small.byteLength, 1000);
  pool.give(small);
  t.equal(small.detached, true);
  pool.give(small);
});

t.test('idle memory goes when the budget needs its room', async (t) => {
  const budget = new ByteBudget(8 * MIB);
  const pool = new BufferPool(budget);
  const other = { bytes: MIB };
  budget.attachIdle(
    () => other.bytes,
    (bytes) => {
      other.bytes -= bytes;
    },
  );
  const buffers = [pool.take(2 * MIB), pool.take(2 * MIB), pool.take(3 * MIB)];
  for (const buffer of buffers) pool.give(buffer);
  const ticket = await budget.take(MIB);
  t.equal(buffers.filter(({ detached }) => detached).length, 1, '7 MiB of it, 1 MiB of another pool, 1 MiB in use');
  ticket.release();
  (await budget.take(8 * MIB)).release();
  t.ok(buffers.every(({ detached }) => detached));
  t.equal(other.bytes, 0);
});
