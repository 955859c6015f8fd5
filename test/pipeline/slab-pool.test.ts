import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { outputBytes, type Slab, SlabPool } from '../../src/pipeline/slab-pool.ts';
import { JsBridge } from '../support/js-bridge.ts';
import { turns } from '../support/turns.ts';

const PAGE = 4096;

function setUp(total: number): { bridge: JsBridge; budget: ByteBudget; pool: SlabPool; scope: LeaseScope } {
  const bridge = new JsBridge();
  const budget = new ByteBudget(total);
  return { bridge, budget, pool: new SlabPool(bridge, budget), scope: new LeaseScope() };
}

t.test('slabs have exactly the length asked for and cost whole pages', async (t) => {
  const { bridge, budget, pool, scope } = setUp(10 * PAGE);
  for (const [length, pages] of [
    [0, 1],
    [1, 1],
    [PAGE - 1, 1],
    [PAGE, 1],
    [PAGE + 1, 2],
  ] as const) {
    const { bytes, lease } = await pool.acquire(length, scope);
    t.strictSame([bytes.byteLength, bytes.byteOffset, budget.used], [length, 0, pages * PAGE]);
    lease.release();
  }
  t.equal(budget.used, 0);
  pool.close();
  t.equal(bridge.liveSlabs, 0);
});

t.test('a slab that came back is used again, for the same size only', async (t) => {
  const { bridge, pool, scope } = setUp(10 * PAGE);
  const first = await pool.acquire(2 * PAGE, scope);
  const memory = first.bytes.buffer;
  first.lease.release();
  first.lease.release();
  t.equal(pool.idleBytes, 2 * PAGE, 'a second release does nothing');
  const other = await pool.acquire(PAGE, scope);
  t.not(other.bytes.buffer, memory);
  const again = await pool.acquire(2 * PAGE - 5, scope);
  t.equal(again.bytes.buffer, memory, 'same number of pages');
  t.strictSame([bridge.allocated, pool.idleBytes, scope.size], [2, 0, 2]);
});

t.test('a full budget hands on warm slabs instead of mapping new ones', async (t) => {
  const { bridge, budget, pool, scope } = setUp(4 * PAGE);
  const slabs = await Promise.all([0, 1].map(() => pool.acquire(2 * PAGE, scope)));
  const waiting = [pool.acquire(2 * PAGE, scope), pool.acquire(2 * PAGE, scope)];
  for (const { lease } of slabs) lease.release();
  const next = await Promise.all(waiting);
  t.strictSame(
    next.map(({ bytes }) => bytes.buffer),
    slabs.map(({ bytes }) => bytes.buffer),
  );
  t.strictSame([bridge.allocated, budget.used, pool.idleBytes], [2, 4 * PAGE, 0]);
});

t.test('idle slabs of other sizes are unmapped when the budget needs the room', async (t) => {
  const { bridge, pool, scope } = setUp(4 * PAGE);
  const small = await Promise.all([0, 1, 2, 3].map(() => pool.acquire(PAGE, scope)));
  for (const { lease } of small) lease.release();
  t.strictSame([bridge.liveBytes, pool.idleBytes], [4 * PAGE, 4 * PAGE]);
  const large = await pool.acquire(3 * PAGE, scope);
  t.strictSame([bridge.liveBytes, pool.idleBytes], [4 * PAGE, PAGE]);
  t.equal(small.filter(({ bytes }) => bytes.byteLength === 0).length, 3, 'unmapped slabs are detached');
  large.lease.release();
});

t.test('a ticket that is no slab reclaims idle slabs too', async (t) => {
  const { bridge, budget, pool, scope } = setUp(4 * PAGE);
  const slab = await pool.acquire(4 * PAGE, scope);
  slab.lease.release();
  const ticket = await budget.takeForOutput(PAGE);
  t.strictSame([bridge.liveBytes, pool.idleBytes], [0, 0]);
  ticket.release();
});

t.test('close unmaps idle slabs at once and the others when they come back', async (t) => {
  const { bridge, budget, pool, scope } = setUp(4 * PAGE);
  const [a, b] = await Promise.all([pool.acquire(PAGE, scope), pool.acquire(PAGE, scope)]);
  a?.lease.release();
  pool.close();
  t.equal(bridge.liveSlabs, 1);
  b?.lease.release();
  t.equal(bridge.liveSlabs, 0);
  const late = await pool.acquire(PAGE, scope);
  late.lease.release();
  t.strictSame([bridge.liveSlabs, budget.used, pool.idleBytes], [0, 0, 0]);
});

t.test('memory that the system refuses costs no budget', async (t) => {
  const budget = new ByteBudget(4 * PAGE);
  const refused = new Error('ENOMEM');
  const pool = new SlabPool(
    {
      allocSlab: () => {
        throw refused;
      },
      freeSlab: () => undefined,
      trimSlab: () => undefined,
    },
    budget,
  );
  const scope = new LeaseScope();
  await t.rejects(pool.acquire(PAGE, scope), refused);
  await t.rejects(pool.acquireOutput(PAGE, { budget, scope }), refused);
  t.strictSame([budget.used, scope.size], [0, 0]);
});

const MIB = 2 ** 20;

t.test('an output keeps what is used of it, and gives the rest back', async (t) => {
  const { bridge, budget, pool, scope } = setUp(64 * MIB);
  const output = await pool.acquireOutput(10 * MIB - 5, { budget, scope });
  t.strictSame([output.memory.byteLength, budget.used], [10 * MIB, 10 * MIB]);
  new Uint8Array(output.memory).fill(7);
  const data = output.keep(2 * MIB + 1, 10 * MIB);
  t.strictSame([data.byteLength, data.byteOffset, budget.used], [2 * MIB + 1, 0, 2 * MIB + PAGE]);
  t.equal(new Uint8Array(output.memory)[3 * MIB], 0, 'its memory as well');
  output.lease.release();
  t.strictSame([budget.used, pool.idleBytes, bridge.liveSlabs], [0, 2 * MIB + PAGE, 1]);

  const again = await pool.acquireOutput(9 * MIB + 1, { budget, scope });
  t.equal(again.memory, output.memory, 'used again, by others of about that size');
  again.unused();
  t.strictSame([budget.used, pool.idleBytes], [0, 2 * MIB + PAGE], 'and as it was when nothing was written');
  const third = await pool.acquireOutput(10 * MIB, { budget, scope });
  third.keep(MIB, MIB);
  t.equal(budget.used, MIB, 'what it had from before has gone by now');
  third.lease.release();
  const failed = await pool.acquireOutput(10 * MIB, { budget, scope });
  failed.lease.release();
  t.equal(pool.idleBytes, 10 * MIB, 'nobody knows how far it was written');
  pool.close();
  t.strictSame([bridge.liveSlabs, pool.idleBytes], [0, 0]);
});

t.test('what little of an output is not used stays with it', async (t) => {
  const { budget, pool, scope } = setUp(64 * MIB);
  const output = await pool.acquireOutput(10 * MIB, { budget, scope });
  output.keep(8 * MIB, 10 * MIB);
  t.equal(budget.used, 10 * MIB);
  output.lease.release();
  pool.close();
});

t.test('sizes of outputs', async (t) => {
  t.strictSame([0, 1, PAGE, PAGE + 1, 5 * PAGE, MIB, MIB + 1].map(outputBytes), [
    PAGE,
    PAGE,
    PAGE,
    2 * PAGE,
    8 * PAGE,
    MIB,
    2 * MIB,
  ]);
});

t.test('abort while waiting', async (t) => {
  const { budget, pool, scope } = setUp(PAGE);
  const held = await pool.acquire(PAGE, scope);
  const controller = new AbortController();
  const waiting = pool.acquire(PAGE, scope, controller.signal);
  controller.abort();
  await t.rejects(waiting, { code: 'VOST_ABORTED' });
  held.lease.release();
  t.strictSame([budget.used, budget.waiting, scope.size], [0, 0, 0]);
});

t.test('property: used and idle slabs never exceed the budget', async (t) => {
  const total = 8;
  const command = fc.oneof(
    fc.record({ kind: fc.constant('acquire' as const), pages: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('release' as const), at: fc.nat() }),
  );
  const run = async (commands: (typeof command extends fc.Arbitrary<infer Step> ? Step : never)[]): Promise<void> => {
    const { bridge, budget, pool, scope } = setUp(total * PAGE);
    const live: Slab[] = [];
    const pending: Promise<unknown>[] = [];
    for (const step of commands) {
      if (step.kind === 'acquire') pending.push(pool.acquire(step.pages * PAGE, scope).then((slab) => live.push(slab)));
      else live.splice(step.at % Math.max(1, live.length), 1)[0]?.lease.release();
      assert.ok(budget.used + pool.idleBytes <= budget.total);
      await turns(1);
      assert.ok(bridge.peakBytes <= budget.total);
      assert.equal(bridge.liveBytes, budget.used + pool.idleBytes);
      assert.equal(scope.size, live.length);
    }
    while (budget.waiting > 0) {
      for (const { lease } of live.splice(0)) lease.release();
      await turns(1);
    }
    await Promise.all(pending);
    scope.releaseAll();
    pool.close();
    assert.deepEqual([budget.used, pool.idleBytes, bridge.liveSlabs, scope.size], [0, 0, 0, 0]);
  };
  await t.resolves(fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 60 }), run), { numRuns: 200 }));
});
