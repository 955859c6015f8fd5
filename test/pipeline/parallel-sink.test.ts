import t from 'tap';
import { ParallelSink } from '../../src/pipeline/parallel-sink.ts';
import { closed, type Gate, gate, turns } from '../support/turns.ts';

interface Rig {
  readonly sink: ParallelSink<number>;
  /** Opens or fails the consumption of an item. */
  readonly gates: Map<number, Gate>;
  readonly signals: AbortSignal[];
  readonly events: string[];
}

function rig(concurrency: () => number): Rig {
  const gates = new Map<number, Gate>();
  const signals: AbortSignal[] = [];
  const events: string[] = [];
  const sink = new ParallelSink<number>({
    name: 'test',
    concurrency,
    consume: (item, signal) => {
      const wait = gate();
      gates.set(item, wait);
      signals.push(signal);
      return wait.promise;
    },
  });
  sink.on('finish', () => events.push('finish'));
  sink.on('close', () => events.push('close'));
  sink.on('error', (error) => events.push(error.message));
  return { sink, gates, signals, events };
}

t.test('several at once, never more; finish means all are consumed', async (t) => {
  const { sink, gates, events } = rig(() => 2);
  for (let item = 0; item < 4; item += 1) sink.write(item);
  sink.end();
  await turns();
  t.strictSame([[...gates.keys()], sink.running], [[0, 1], 2]);
  gates.get(1)?.open();
  await turns();
  t.strictSame([[...gates.keys()], sink.running], [[0, 1, 2], 2]);
  gates.get(2)?.open();
  gates.get(0)?.open();
  await turns();
  t.strictSame([[...gates.keys()], sink.running], [[0, 1, 2, 3], 1]);
  t.strictSame(events, []);
  gates.get(3)?.open();
  await turns();
  t.strictSame(events, ['finish', 'close']);
});

t.test('back-pressure: no more than the concurrency is taken in', async (t) => {
  const { sink, gates } = rig(() => 3);
  let taken = 0;
  for (let item = 0; item < 10; item += 1) sink.write(item, () => (taken += 1));
  await turns();
  t.equal(taken, 2, 'the third blocks, its successors wait with the caller');
  t.equal(gates.size, 3);
  t.ok(sink.writableNeedDrain);
  sink.destroy();
  for (const wait of gates.values()) wait.open();
  await closed(sink);
});

t.test('the concurrency may change while it runs', async (t) => {
  let concurrency = 1;
  const { sink, gates } = rig(() => concurrency);
  for (let item = 0; item < 8; item += 1) sink.write(item);
  await turns();
  t.equal(sink.running, 1);
  concurrency = 3;
  gates.get(0)?.open();
  await turns();
  t.equal(sink.running, 3);
  concurrency = 1;
  gates.get(1)?.open();
  gates.get(2)?.open();
  await turns();
  t.strictSame([sink.running, gates.size], [1, 4], 'nothing new until fewer are running');
  gates.get(3)?.open();
  await turns();
  t.strictSame([sink.running, gates.size], [1, 5]);
  sink.destroy();
  gates.get(4)?.open();
  await closed(sink);
});

t.test('an error in the middle: the signal fires, close waits for the others, no finish', async (t) => {
  const { sink, gates, signals, events } = rig(() => 3);
  for (let item = 0; item < 3; item += 1) sink.write(item);
  sink.end();
  await turns();
  gates.get(1)?.fail(new Error('broken'));
  await turns();
  t.ok(signals.every(({ aborted }) => aborted));
  t.strictSame(events, []);
  gates.get(0)?.open();
  gates.get(2)?.fail(new Error('follows from the first'));
  await turns();
  t.strictSame(events, ['broken', 'close']);
});

t.test('the last one fails while the end is awaited', async (t) => {
  const { sink, gates, events } = rig(() => 3);
  sink.end(0);
  await turns();
  gates.get(0)?.fail(new Error('broken'));
  await turns();
  t.strictSame(events, ['broken', 'close']);
});

t.test('a synchronous throw and a thrown text are errors like any other', async (t) => {
  const texts: string[] = [];
  for (const consume of [
    () => {
      throw new Error('at once');
    },
    () => Promise.reject('text'),
  ]) {
    const sink = new ParallelSink<number>({ name: 'test', concurrency: () => 1, consume });
    sink.on('error', (error) => texts.push(error.message));
    sink.write(1);
    await closed(sink);
    t.equal(sink.running, 0);
  }
  t.strictSame(texts, ['at once', 'text']);
});

t.test('destroy while items are consumed: close after they settled; a blocked write does not hang', async (t) => {
  const { sink, gates, events, signals } = rig(() => 2);
  sink.write(0);
  const taken = new Promise<boolean>((resolve) => sink.write(1, (error) => resolve(!error)));
  await turns();
  sink.destroy();
  t.equal(await taken, false);
  t.ok(signals[0]?.aborted);
  t.strictSame(events, []);
  gates.get(0)?.open();
  gates.get(1)?.open();
  await turns();
  t.strictSame(events, ['close']);
});

t.test('destroy while the end is awaited', async (t) => {
  const { sink, gates, events } = rig(() => 2);
  sink.end(0);
  await turns();
  sink.destroy();
  gates.get(0)?.open();
  await turns();
  t.strictSame(events, ['close']);
});

t.test('empty input', async (t) => {
  const { sink, events } = rig(() => 2);
  sink.end();
  await turns();
  t.strictSame(events, ['finish', 'close']);
});
