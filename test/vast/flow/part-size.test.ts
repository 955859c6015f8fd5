import t from 'tap';
import { FlowControl } from '../../../src/vast/flow/flow-control.ts';
import type { SizeDecision } from '../../../src/vast/flow/stepped-size.ts';

const MIB = 2 ** 20;

/** A flow whose requests take so many milliseconds each, one after the other. */
function flowOf(memory: number) {
  let now = 0;
  const told: SizeDecision[] = [];
  const flow = new FlowControl({
    most: { write: 64, read: 64 },
    parts: { memory, streams: 64 },
    now: () => now,
    onSize: (one) => told.push(one),
  });
  const send = async (bytes: number, ms: number): Promise<void> => {
    await flow.run('part', bytes, undefined, async () => {
      now += ms;
    });
  };
  return { flow, told, send };
}

t.test('16 MiB while nothing is known, then what memory has room for', async (t) => {
  const { flow, told, send } = flowOf(256 * MIB);
  t.equal(flow.parts?.next(), 16 * MIB);
  // One after the other: the limit of 4 is not what bounds them.
  for (let count = 0; count < 64; count += 1) await send(16 * MIB, 100);
  t.equal(flow.parts?.next(), 64 * MIB);
  t.strictSame(told, [{ of: 'part', from: 16 * MIB, to: 64 * MIB, reason: 'fewer-in-flight' }]);
  t.equal(flow.parts?.size.bytes, 64 * MIB);
});

t.test('large at once where memory is plenty', async (t) => {
  t.equal(flowOf(2048 * MIB).flow.parts?.next(), 64 * MIB);
});

t.test('small where memory is', async (t) => {
  const { flow, send } = flowOf(32 * MIB);
  for (let count = 0; count < 64; count += 1) await send(16 * MIB, 100);
  t.equal(flow.parts?.next(), 8 * MIB);
});

t.test('not larger than what is done in ten seconds', async (t) => {
  const { flow, told, send } = flowOf(256 * MIB);
  t.equal(flow.parts?.next(), 16 * MIB);
  for (let count = 0; count < 12; count += 1) await send(16 * MIB, 20_000);
  t.equal(flow.parts?.next(), 8 * MIB);
  t.match(told, [{ to: 8 * MIB, reason: 'slow' }]);
});

t.test('by the number of streams, where that is given; nothing where the size is', async (t) => {
  const memory = 256 * MIB;
  const given = new FlowControl({ most: { write: undefined, read: undefined }, parts: { memory, streams: 8 } });
  t.equal(given.parts?.next(), 32 * MIB);
  t.equal(given.ahead, undefined);
  t.equal(new FlowControl({ most: { write: 64, read: 64 } }).parts, undefined);
});
