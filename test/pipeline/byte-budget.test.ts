import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { ByteBudget, type Ticket } from '../../src/pipeline/byte-budget.ts';
import { turns } from '../support/turns.ts';

/** Ask without waiting; shows whether the grant came. */
function ask(promise: Promise<Ticket>): { ticket: Ticket | undefined; error: unknown } {
  const request: { ticket: Ticket | undefined; error: unknown } = { ticket: undefined, error: undefined };
  promise.then(
    (ticket) => {
      request.ticket = ticket;
    },
    (error: unknown) => {
      request.error = error;
    },
  );
  return request;
}

t.test('the bound must be a positive number of bytes', async (t) => {
  for (const total of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => new ByteBudget(total), { code: 'VOST_BUDGET', failure: 'usage' }, String(total));
  }
});

t.test('grants while there is room, keeps the peak', async (t) => {
  const budget = new ByteBudget(100);
  const a = await budget.take(60);
  const b = await budget.take(40);
  t.strictSame([budget.used, budget.peak, budget.waiting, a.bytes], [100, 100, 0, 60]);
  a.release();
  b.release();
  t.strictSame([budget.used, budget.peak], [0, 100]);
});

t.test('first come, first served: a small request does not overtake a large one', async (t) => {
  const budget = new ByteBudget(100);
  const held = await budget.take(70);
  const large = ask(budget.take(80));
  const small = ask(budget.take(10));
  await turns();
  t.equal(large.ticket, undefined);
  t.equal(small.ticket, undefined, 'there is room for it, but it came later');
  t.equal(budget.waiting, 2);
  held.release();
  await turns();
  t.ok(large.ticket);
  t.ok(small.ticket);
  t.strictSame([budget.used, budget.waiting], [90, 0]);
});

t.test('one release serves as many waiters as fit, in order', async (t) => {
  const budget = new ByteBudget(100);
  const held = await budget.take(100);
  const order: number[] = [];
  const waiters = [30, 30, 30, 30].map((bytes, nth) => {
    const promise = budget.take(bytes);
    void promise.then(() => order.push(nth));
    return ask(promise);
  });
  held.release();
  await turns();
  t.strictSame(order, [0, 1, 2]);
  t.equal(waiters[3]?.ticket, undefined);
  waiters[1]?.ticket?.release();
  await turns();
  t.strictSame(order, [0, 1, 2, 3]);
});

t.test('shrink and release are idempotent and never give back more than was held', async (t) => {
  const budget = new ByteBudget(100);
  const ticket = await budget.take(80);
  ticket.shrink(90);
  t.equal(budget.used, 80, 'a ticket cannot grow');
  ticket.shrink(30);
  ticket.shrink(30);
  t.strictSame([ticket.bytes, budget.used], [30, 30]);
  ticket.release();
  ticket.release();
  ticket.shrink(0);
  t.strictSame([ticket.bytes, budget.used], [0, 0]);
});

t.test('shrink wakes waiters', async (t) => {
  const budget = new ByteBudget(100);
  const held = await budget.take(100);
  const waiter = ask(budget.take(50));
  held.shrink(60);
  await turns();
  t.equal(waiter.ticket, undefined);
  held.shrink(50);
  await turns();
  t.ok(waiter.ticket);
});

t.test('what can never fit is refused at once', async (t) => {
  const budget = new ByteBudget(100);
  for (const bytes of [101, Number.NaN, -1]) {
    await t.rejects(budget.take(bytes), { code: 'VOST_BUDGET', failure: 'usage' });
    await t.rejects(budget.takeForOutput(bytes), { code: 'VOST_BUDGET', failure: 'usage' });
  }
  t.strictSame([budget.used, budget.waiting], [0, 0]);
});

t.test('abort of a waiter: it leaves the queue, those behind it move up, no listener stays', async (t) => {
  for (const method of ['take', 'takeForOutput'] as const) {
    const budget = new ByteBudget(100);
    const held = await budget.take(60);
    const overdraft = method === 'takeForOutput' ? await budget.takeForOutput(60) : undefined;
    const controller = new AbortController();
    const first = ask(budget[method](90, controller.signal));
    const second = ask(budget.take(40));
    await turns();
    const reason = new EngineError('VOST_INTERRUPTED', 'aborted', 'enough');
    controller.abort(reason);
    await turns();
    t.equal(first.error, reason);
    overdraft?.release();
    await turns();
    t.ok(second.ticket, 'the one behind fits now');
    t.equal(budget.waiting, 0);
    t.equal(getEventListeners(controller.signal, 'abort').length, 0);
    held.release();
    second.ticket?.release();
    t.equal(budget.used, 0);
  }
});

t.test('a signal that has fired already, and one that fires after the grant', async (t) => {
  const budget = new ByteBudget(100);
  await t.rejects(budget.take(1, AbortSignal.abort()), { code: 'VOST_ABORTED', failure: 'aborted' });
  await t.rejects(budget.takeForOutput(1, AbortSignal.abort()), { code: 'VOST_ABORTED' });
  const held = await budget.take(100);
  const controller = new AbortController();
  const waiter = ask(budget.take(10, controller.signal));
  held.release();
  controller.abort();
  await turns();
  t.ok(waiter.ticket, 'the grant came first, so the ticket is the caller’s to release');
  t.equal(budget.used, 10);
});

t.test('output: one overdraft at a time, and no deadlock when everything is held', async (t) => {
  const budget = new ByteBudget(100);
  const inputs = [await budget.take(50), await budget.take(50)];
  const slab = ask(budget.take(50));
  const first = ask(budget.takeForOutput(60));
  const second = ask(budget.takeForOutput(60));
  await turns();
  t.ok(first.ticket, 'exceeds the budget');
  t.equal(second.ticket, undefined, 'waits for the end of the overdraft');
  t.equal(budget.used, 160);
  first.ticket?.shrink(20);
  await turns();
  t.equal(second.ticket, undefined, 'the output has shrunk, but the budget is still exceeded');
  inputs[0]?.release();
  await turns();
  t.ok(second.ticket, 'goes before the slab, whose memory only it can free');
  t.equal(slab.ticket, undefined);
  second.ticket?.shrink(20);
  inputs[1]?.release();
  await turns();
  t.ok(slab.ticket);
  t.strictSame([budget.used, budget.waiting], [90, 0]);
});

t.test('output that fits is granted even behind waiters: it frees memory, they do not', async (t) => {
  const budget = new ByteBudget(100);
  const held = await budget.take(50);
  const waiter = ask(budget.take(60));
  const output = ask(budget.takeForOutput(50));
  await turns();
  t.ok(output.ticket);
  t.equal(waiter.ticket, undefined);
  held.release();
  output.ticket?.release();
  await turns();
  t.ok(waiter.ticket);
});

t.test('a second stage at work waits for the first instead of exceeding the budget', async (t) => {
  const budget = new ByteBudget(100);
  const first = await budget.takeForOutput(60);
  const second = ask(budget.takeForOutput(60));
  await turns();
  t.equal(second.ticket, undefined, 'the first will say how much it keeps');
  first.shrink(60);
  await turns();
  t.ok(second.ticket, 'it kept everything, so only an overdraft is left');
  t.equal(budget.used, 120);
});

t.test('a reserve for output keeps new input out, not the output', async (t) => {
  const budget = new ByteBudget(100);
  const end = budget.reserveForOutput(30);
  budget.reserveForOutput(10)();
  const input = await budget.take(70);
  const more = ask(budget.take(1));
  await turns();
  t.equal(more.ticket, undefined);
  const output = ask(budget.takeForOutput(30));
  await turns();
  t.equal(budget.used, 100);
  output.ticket?.release();
  await turns();
  t.equal(more.ticket, undefined, 'the room stays reserved');
  end();
  await turns();
  t.ok(more.ticket, 'until the reserve ends');
  input.release();
  more.ticket?.release();
  const large = budget.reserveForOutput(90);
  t.ok(await budget.take(50), 'an empty budget grants what it can hold');
  large();
});

t.test('idle memory is reclaimed when a grant needs the room, after the grant took what it wanted', async (t) => {
  const budget = new ByteBudget(100);
  let idle = 70;
  const reclaimed: number[] = [];
  budget.attachIdle(
    () => idle,
    (bytes) => {
      reclaimed.push(bytes);
      idle -= bytes;
    },
  );
  const a = await budget.take(20);
  t.strictSame(reclaimed, []);
  await budget.take(30);
  t.strictSame(reclaimed, [20]);
  a.release();
  await budget.take(50, undefined, () => {
    idle -= 50;
  });
  t.strictSame(reclaimed, [20], 'the grant was made of idle memory');
});

t.test('property: never above the total and one overdraft, everything granted in the end', async (t) => {
  const total = 100;
  const command = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), bytes: fc.integer({ min: 0, max: total }) }),
    fc.record({ kind: fc.constant('output' as const), bytes: fc.integer({ min: 0, max: total }) }),
    fc.record({ kind: fc.constant('release' as const), at: fc.nat() }),
    fc.record({ kind: fc.constant('shrink' as const), at: fc.nat(), bytes: fc.integer({ min: 0, max: total }) }),
    fc.record({ kind: fc.constant('abort' as const), at: fc.nat() }),
  );
  const run = async (commands: (typeof command extends fc.Arbitrary<infer Step> ? Step : never)[]): Promise<void> => {
    const budget = new ByteBudget(total);
    const live: Ticket[] = [];
    const outputs = new Set<Ticket>();
    const settled = new Set<Ticket>();
    const requests: { request: ReturnType<typeof ask>; abort: AbortController; kind: string; bytes: number }[] = [];
    const granted: typeof requests = [];
    let served = 0;
    const check = async (): Promise<void> => {
      await turns(1);
      for (const entry of requests) {
        if (entry.request.ticket === undefined || granted.includes(entry)) continue;
        granted.push(entry);
        live.push(entry.request.ticket);
        if (entry.kind === 'output') outputs.add(entry.request.ticket);
        served += 1;
      }
      const held = live.reduce((sum, ticket) => sum + ticket.bytes, 0);
      const overdraft = Math.max(0, ...granted.filter(({ kind }) => kind === 'output').map(({ bytes }) => bytes));
      assert.equal(budget.used, held);
      assert.ok(budget.used <= total + overdraft, `${budget.used} used`);
      const waiting = requests.filter((entry) => !granted.includes(entry) && entry.request.error === undefined);
      assert.equal(budget.waiting, waiting.length);
      // Nobody waits without a reason.
      const [head] = waiting.filter(({ kind }) => kind === 'take');
      assert.ok(head === undefined || budget.used + head.bytes > total);
      const [output] = waiting.filter(({ kind }) => kind === 'output');
      const working = live.some((ticket) => outputs.has(ticket) && !settled.has(ticket));
      assert.ok(
        output === undefined || (budget.used + output.bytes > total && (working || budget.used > total)),
        'output waits only for a stage at work or the end of an overdraft',
      );
      // Takes are served in the order they came.
      const takes = requests.filter(({ kind, request }) => kind === 'take' && request.error === undefined);
      const firstWaiting = takes.findIndex((entry) => !granted.includes(entry));
      assert.ok(firstWaiting < 0 || takes.slice(firstWaiting).every((entry) => !granted.includes(entry)));
    };
    for (const step of commands) {
      if (step.kind === 'take' || step.kind === 'output') {
        const abort = new AbortController();
        const promise =
          step.kind === 'take' ? budget.take(step.bytes, abort.signal) : budget.takeForOutput(step.bytes, abort.signal);
        requests.push({ request: ask(promise), abort, kind: step.kind, bytes: step.bytes });
      } else if (step.kind === 'abort') {
        requests[step.at % Math.max(1, requests.length)]?.abort.abort();
      } else {
        const ticket = live[step.at % Math.max(1, live.length)];
        if (ticket) settled.add(ticket);
        if (step.kind === 'release') ticket?.release();
        else ticket?.shrink(step.bytes);
      }
      await check();
    }
    for (let rounds = 0; budget.waiting > 0; rounds += 1) {
      assert.ok(rounds < 1000, 'somebody waits for ever');
      for (const ticket of live) ticket.release();
      await check();
    }
    for (const ticket of live) ticket.release();
    assert.equal(budget.used, 0);
    assert.equal(served + requests.filter(({ request }) => request.error).length, requests.length);
  };
  await t.resolves(fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 40 }), run), { numRuns: 300 }));
});

t.test('a share that holds all it may, for ever, keeps no other from going on', async (t) => {
  const budget = new ByteBudget(100);
  const [hung, well] = [budget.share('hung'), budget.share('well')];
  t.equal(budget.share('hung'), hung);
  (await well.take(1)).release();
  while (!(await full(hung, 10)));
  t.equal(hung.used, 70, 'a quarter is kept for the other, and what is asked for comes in tens');
  const output = await hung.takeForOutput(20);
  output.shrink(20);
  const stuck = ask(hung.takeForOutput(20));
  await turns();
  t.notOk(stuck.ticket, 'one that exceeds the limit is enough');

  for (let again = 0; again < 3; again += 1) {
    const input = await well.take(60);
    const result = await well.takeForOutput(60);
    input.release();
    result.shrink(50);
    result.release();
  }
  t.equal(budget.used, 90, 'and nothing is left of it');
  t.notOk(stuck.ticket);
});

/** Whether there was no room for so much. */
async function full(share: ByteBudget, bytes: number): Promise<boolean> {
  const stop = new AbortController();
  const asked = ask(share.take(bytes, stop.signal));
  await turns();
  stop.abort();
  return asked.ticket === undefined;
}

t.test('one share alone is the budget; what is kept for others is theirs from their first use on', async (t) => {
  const budget = new ByteBudget(100);
  const a = await budget.share('a').take(100);
  t.ok(await full(budget.share('a'), 1));
  const b = await budget.share('b').take(10);
  t.equal(budget.used, 110, 'whoever holds nothing goes on');
  a.shrink(70);
  t.ok(await full(budget.share('a'), 10), 'a quarter is kept for the other');
  const more = await budget.share('b').take(15);
  for (const ticket of [a, b, more]) ticket.release();
  t.equal(budget.used, 0);
});

t.test('shares at any time: bounded, and each of them ends its work while another holds on', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ share: fc.nat(2), bytes: fc.integer({ min: 1, max: 60 }), stages: fc.nat(2) }), {
        maxLength: 40,
      }),
      async (works) => {
        const budget = new ByteBudget(100);
        const letGo = Promise.withResolvers<void>();
        const left = [0, 0, 0];
        // Input goes through its stages; what the last of them puts out is freed later. The first share keeps what it has got.
        const work = async ({ share, bytes, stages }: (typeof works)[number]): Promise<void> => {
          const account = budget.share(`${share}`);
          let ticket = await account.take(bytes);
          for (let stage = 0; stage < stages; stage += 1) {
            const output = await account.takeForOutput(bytes);
            await (share === 0 ? letGo.promise : turns(1));
            ticket.release();
            output.shrink(Math.ceil(bytes / (stage + 1)));
            ticket = output;
          }
          await (share === 0 ? letGo.promise : turns(1));
          ticket.release();
        };
        const all = works.map((one) => {
          left[one.share] = (left[one.share] ?? 0) + 1;
          return work(one).then(() => {
            left[one.share] = (left[one.share] ?? 0) - 1;
          });
        });
        for (let rounds = 0; left[1] !== 0 || left[2] !== 0; rounds += 1) {
          assert.ok(rounds < 1000, `${left} works wait for ever, ${budget.used} bytes held`);
          await turns(1);
        }
        assert.ok(budget.peak <= 100 + 3 * 120);
        letGo.resolve();
        await Promise.all(all);
        assert.equal(budget.used + budget.waiting, 0);
      },
    ),
    { numRuns: 1000 },
  ),
);

t.test('an overdraft ends with its output, though others have taken the room since', async (t) => {
  const budget = new ByteBudget(100);
  const [hung, well] = [budget.share('hung'), budget.share('well')];
  await hung.take(50);
  await hung.take(7);
  const kept = hung.takeForOutput(53).then((ticket) => ticket.shrink(27));
  const first = await well.takeForOutput(1);
  const third = await budget.share('third').take(1);
  await kept;
  third.release();
  first.release();
  t.ok(await well.takeForOutput(1), 'it holds nothing: so it is granted whatever it asks for');
});
