import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import t from 'tap';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { OrderedTransform } from '../../src/pipeline/ordered-transform.ts';
import { ParallelSink } from '../../src/pipeline/parallel-sink.ts';
import { StageClock } from '../../src/pipeline/stage-clock.ts';
import { StageMeters } from '../../src/pipeline/stage-meters.ts';
import { StepTransform } from '../../src/pipeline/step-transform.ts';
import { closed, gate, turns } from '../support/turns.ts';

/** A clock whose time the test sets. */
function fakeClock(): { readonly clock: StageClock; readonly pass: (ms: number) => void } {
  let time = 1000;
  const clock = new StageClock(() => time);
  return {
    clock,
    pass: (ms) => {
      time += ms;
    },
  };
}

t.test('time goes to exactly one state', async (t) => {
  const { clock, pass } = fakeClock();
  pass(1);
  clock.begin();
  pass(10);
  const room = gate();
  const granted = clock.room(room.promise);
  pass(100);
  clock.begin();
  pass(1000);
  clock.end();
  pass(10_000);
  room.open();
  await granted;
  pass(100_000);
  clock.hold(true);
  pass(1_000_000);
  clock.end();
  pass(10_000_000);
  clock.hold(false);
  pass(100_000_000);
  t.strictSame(clock.read(), {
    busy: 10 + 1000 + 100_000 + 1_000_000,
    downstream: 100 + 10_000 + 10_000_000,
    upstream: 1 + 100_000_000,
  });
});

t.test('the states always add up to the time that has passed', async (t) => {
  const step = fc.record({ what: fc.constantFrom('begin', 'end', 'hold', 'let go', 'read'), ms: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { clock, pass } = fakeClock();
      let [running, total] = [0, 0];
      for (const { what, ms } of steps) {
        if (what === 'begin') clock.begin();
        else if (what === 'end' && running > 0) clock.end();
        else if (what === 'hold' || what === 'let go') clock.hold(what === 'hold');
        else clock.read();
        if (what === 'begin') running += 1;
        if (what === 'end' && running > 0) running -= 1;
        pass(ms);
        total += ms;
      }
      const { busy, upstream, downstream } = clock.read();
      return busy + upstream + downstream === total;
    }),
  );
  t.pass('for any sequence');
});

t.test('waiting for memory is waiting downstream', async (t) => {
  const { clock, pass } = fakeClock();
  const budget = new ByteBudget(100);
  const ticket = await budget.take(100);
  clock.begin();
  const watched = clock.watch(budget);
  const taking = watched.take(50);
  pass(7);
  ticket.release();
  (await taking).release();
  const output = await watched.takeForOutput(10);
  output.release();
  pass(3);
  clock.end();
  t.strictSame(clock.read(), { busy: 3, upstream: 0, downstream: 7 });
  const refused = clock.room(Promise.reject(new Error('no')));
  await t.rejects(refused, { message: 'no' });
  pass(5);
  t.equal(clock.read().upstream, 5, 'a wait that fails has ended too');
});

t.test('a stage works, waits for its reader, and waits for input', async (t) => {
  const { clock, pass } = fakeClock();
  const work = gate();
  const stage = new OrderedTransform<number, number>({
    name: 'test',
    concurrency: 1,
    clock,
    transform: async (item) => {
      await work.promise;
      return item;
    },
  });
  pass(1);
  for (const item of [1, 2, 3]) stage.write(item);
  pass(20);
  work.open();
  await turns(10);
  t.strictSame({ ...clock.read() }, { busy: 20, upstream: 1, downstream: 0 });
  pass(300);
  t.equal(clock.read().downstream, 300, 'nobody reads');
  stage.end();
  for await (const item of stage) t.type(item, 'number');
  pass(4000);
  t.strictSame({ ...clock.read() }, { busy: 20, upstream: 4001, downstream: 300 });
});

t.test('a step that emits more than is taken waits downstream', async (t) => {
  const { clock, pass } = fakeClock();
  const stage = new StepTransform<number, number>({
    name: 'test',
    clock,
    step: async (item, emit) => {
      for (let at = 0; at < 3; at += 1) await emit(item);
    },
  });
  stage.write(1);
  await turns(10);
  pass(50);
  t.strictSame({ ...clock.read() }, { busy: 0, upstream: 0, downstream: 50 });
  stage.end();
  const out: number[] = [];
  for await (const item of stage) out.push(item as number);
  t.strictSame(out, [1, 1, 1]);
  pass(5);
  t.equal(clock.read().upstream, 5);
});

t.test('a sink is busy while it consumes', async (t) => {
  const { clock, pass } = fakeClock();
  const work = gate();
  const sink = new ParallelSink<number>({ name: 'test', concurrency: () => 2, clock, consume: () => work.promise });
  sink.write(1);
  sink.write(2);
  pass(9);
  work.open();
  await turns(5);
  pass(2);
  t.strictSame({ ...clock.read() }, { busy: 9, upstream: 2, downstream: 0 });
});

t.test('meters add up the streams of a stage, those that have closed included', async (t) => {
  const meters = new StageMeters();
  const run = async (items: number): Promise<void> => {
    const stage = new OrderedTransform<number, number>({
      name: 'doubler',
      concurrency: 1,
      transform: (item) => {
        stage.clock.bytesIn += item;
        stage.clock.bytesOut += 2 * item;
        return 2 * item;
      },
    });
    const sink = new Writable({ objectMode: true, write: (_item, _encoding, callback) => callback() });
    meters.attach('backup', [stage, sink]);
    t.match(
      meters.totals(),
      [{ stage: 'doubler', flow: 'backup', streams: 1 }],
      'a stream without a clock is left out',
    );
    const ended = closed(stage);
    await pipeline(Readable.from(Array(items).fill(10)), stage, sink);
    await ended;
  };
  await run(2);
  await run(3);
  const again = meters.begin('doubler', 'restore', new StageClock());
  t.match(meters.totals(), [
    { stage: 'doubler', flow: 'backup', streams: 0, bytesIn: 50, bytesOut: 100 },
    { stage: 'doubler', flow: 'restore', streams: 1, bytesIn: 0 },
  ]);
  again();
  again();
  const [backup, restore] = meters.totals();
  t.equal(restore?.streams, 0);
  t.ok((backup?.times.busy ?? 0) > 0);
  t.strictSame(meters.totals()[0], backup, 'what has ended stays as it is');
});
