import { setImmediate as tick } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { SlotGrants, type SlotHold, SlotShare } from '../../src/ost/slot-grants.ts';
import { planSlots, slotsAlways, slotsToSend } from '../../src/ost/slot-plan.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { refusal } from '../support/refusal.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

t.test('some slots are always granted, the others come out of the budget', async (t) => {
  const budget = new ByteBudget(3 * MIB);
  const grants = new SlotGrants(budget);
  const shares = [1, 2, 3].map(() => new SlotShare({ slots: () => 2 }));
  const holds: SlotHold[] = [];
  for (const share of shares) for (const _ of [1, 2]) holds.push(await grants.acquire(share, MIB, never));
  t.equal(budget.used, 0);
  const [first, second, third] = shares as [SlotShare, SlotShare, SlotShare];
  for (const _ of [1, 2, 3]) holds.push(await grants.acquire(first, MIB, never));
  t.equal(budget.used, 3 * MIB);

  const order: string[] = [];
  const wait = async (name: string, share: SlotShare) => {
    holds.push(await grants.acquire(share, MIB, never));
    order.push(name);
  };
  const waiting = [wait('first', first), wait('second', second), wait('third', third)];
  for (const hold of holds.splice(6, 3)) {
    hold.release();
    await tick();
  }
  await Promise.all(waiting);
  t.strictSame(order, ['second', 'third', 'first'], 'whoever holds least comes first');
  for (const hold of holds) hold.release();
  for (const hold of holds) hold.release();
  t.equal(budget.used, 0);
});

t.test('the slot without which nothing goes on is granted at once', async (t) => {
  const budget = new ByteBudget(MIB);
  const grants = new SlotGrants(budget);
  const share = new SlotShare({ slots: () => 2 });
  for (const _ of [1, 2, 3]) await grants.acquire(share, MIB, never);
  let urgent = false;
  const hold = grants.acquire(share, MIB, never, () => urgent);
  t.equal(grants.waiting, 1);
  grants.kick(share);
  t.equal(grants.waiting, 1);
  urgent = true;
  grants.kick(share);
  await hold;
  t.equal(grants.waiting, 0);
});

t.test('small ranges have slots of their own', async (t) => {
  const grants = new SlotGrants(new ByteBudget(MIB));
  const share = new SlotShare({ slots: () => 1, smallSlots: 2 });
  await grants.acquire(share, 8 * MIB, never);
  await grants.acquire(share, MIB, never);
  await grants.acquire(share, MIB, never);
  const stop = new AbortController();
  const late = grants.acquire(share, 8 * MIB, stop.signal);
  const later = grants.acquire(share, 8 * MIB, stop.signal);
  await late;
  stop.abort(new Error('enough'));
  await t.rejects(later, refusal('aborted'));
  t.equal(grants.waiting, 0);
});

t.test('random scripts: no slot is lost, the budget is kept, nobody waits for ever', async () => {
  const step = fc.record({ share: fc.nat(3), bytes: fc.integer({ min: 1, max: 4 }), abort: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), async (script, total) => {
      const budget = new ByteBudget(total * MIB);
      const grants = new SlotGrants(budget);
      const shares = [0, 1, 2, 3].map(() => new SlotShare({ slots: () => 2 }));
      const held: SlotHold[] = [];
      const asked = script.map(async ({ share, bytes, abort }) => {
        const stop = new AbortController();
        const hold = grants.acquire(shares[share] as SlotShare, bytes * MIB, stop.signal).then(
          (got) => held.push(got),
          () => undefined,
        );
        if (abort) stop.abort(new Error('gone'));
        await hold;
      });
      let done = false;
      void Promise.all(asked).then(() => {
        done = true;
      });
      while (!done) {
        await tick();
        if (budget.used > budget.total) return false;
        held.shift()?.release();
      }
      for (const hold of held) hold.release();
      return budget.used === 0 && grants.waiting === 0 && shares.every((share) => share.held === 0 && share.free === 0);
    }),
  );
});

t.test('many images at once get shorter chunks, never shorter than the store takes', async (t) => {
  const input = {
    chunkBytes: 64 * MIB,
    partBytes: 64 * MIB,
    slotBytes: 64 * MIB,
    slotCount: 128,
    minPartBytes: 5 * MIB,
    openWriters: 0,
    reserve: 256 * MIB,
    slotsPerImage: 8,
  };
  t.strictSame(planSlots(input), { chunkBytes: 64 * MIB, partBytes: 64 * MIB, window: 8 });
  t.equal(planSlots({ ...input, openWriters: 7 }).chunkBytes, 8 * MIB);
  t.strictSame(planSlots({ ...input, openWriters: 1000 }), { chunkBytes: 5 * MIB, partBytes: 5 * MIB, window: 8 });
  const small = planSlots({ ...input, slotBytes: MIB, slotCount: 16 });
  t.strictSame(small, { chunkBytes: MIB, partBytes: 5 * MIB, window: 8 });
  t.equal(slotsToSend(small.partBytes, small.chunkBytes), 6);
  t.equal(planSlots({ ...input, slotBytes: MIB, slotCount: 4 }).window, 4);

  const long = { chunkBytes: 64 * MIB, partBytes: 64 * MIB };
  t.equal(slotsAlways(long, 256 * MIB, 1), 2);
  t.equal(slotsAlways(long, 256 * MIB, 3), 1, 'beside others it must do with one');
  t.equal(slotsAlways({ chunkBytes: 16 * MIB, partBytes: 64 * MIB }, 256 * MIB, 9), 4, 'a part must fit');
  let sum = 0;
  for (let openWriters = 0; openWriters < 64; openWriters += 1) {
    const plan = planSlots({ ...input, reserve: 1024 * MIB, openWriters });
    sum += slotsAlways(plan, 1024 * MIB, 64) * plan.chunkBytes;
  }
  t.ok(sum <= 1.25 * 1024 * MIB, `${sum / MIB} MiB are always granted to 64 images that began one after the other`);
});

t.test('among images with chunks of many lengths, whoever holds the fewest bytes comes first', async (t) => {
  const grants = new SlotGrants(new ByteBudget(8 * MIB));
  const [long, short, other] = [0, 0, 0].map(() => new SlotShare({ slots: () => 0 })) as [
    SlotShare,
    SlotShare,
    SlotShare,
  ];
  const holds = [await grants.acquire(long, 4 * MIB, never), await grants.acquire(other, MIB, never)];
  for (const _ of [1, 2, 3]) holds.push(await grants.acquire(short, MIB, never));
  const order: string[] = [];
  const wait = async (name: string, share: SlotShare) => {
    holds.push(await grants.acquire(share, MIB, never));
    order.push(name);
  };
  const waiting = [wait('long', long), wait('short', short)];
  holds[1]?.release();
  await waiting[1];
  t.strictSame(order, ['short']);
  for (const hold of holds) hold.release();
  await waiting[0];
  for (const hold of holds) hold.release();
  t.strictSame([long.held, short.held, other.held], [0, 0, 0]);
});
