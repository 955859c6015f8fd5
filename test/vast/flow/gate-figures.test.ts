import t from 'tap';
import { FlowControl } from '../../../src/vast/flow/flow-control.ts';
import { type GateFigures, JointGate, mergeGates } from '../../../src/vast/flow/gate-figures.ts';

const MIB = 2 ** 20;
const gate = (more: Partial<GateFigures>): GateFigures => ({
  limit: 4,
  inFlight: 0,
  waiting: 0,
  tried: false,
  pace: undefined,
  uneven: false,
  decisions: new Map(),
  ...more,
});

t.test('gates of threads that share the way', async (t) => {
  const idle = gate({ limit: 20, pace: 10 });
  const busy = gate({ limit: 6, inFlight: 2, waiting: 1, tried: true, pace: 20, uneven: true });
  t.match(mergeGates([gate({}), gate({ limit: 9 })]), { limit: 9, tried: false, pace: undefined, uneven: false });
  t.match(mergeGates([idle, busy, busy]), { limit: 12, inFlight: 4, waiting: 2, tried: true, uneven: true });
  t.equal(mergeGates([idle, busy]).pace, 15);
});

t.test('what other threads say, until they have gone', async (t) => {
  const own = { ...gate({ limit: 5 }), figures: () => gate({ limit: 5 }) };
  const joint = new JointGate(own);
  t.match(joint, { limit: 5, tried: false });
  joint.hear(0, gate({ limit: 16, inFlight: 1, tried: true, pace: 7, uneven: true }));
  t.match(joint, { limit: 16, tried: true, pace: 7, uneven: true });
  joint.hear(0, undefined);
  t.match(joint, { limit: 5, tried: false, pace: undefined, uneven: false });
});

t.test('sizes follow from what all threads found out', async (t) => {
  const flow = new FlowControl({ most: { write: 64, read: 64 }, parts: { memory: 512 * MIB, streams: 4 } });
  t.equal(flow.parts?.next(), 16 * MIB, 'nothing is known');
  const figures = gate({ limit: 8, inFlight: 8, tried: true, pace: MIB });
  flow.hear(1, { write: figures, read: figures });
  t.equal(flow.parts?.next(), 64 * MIB);
  t.equal(flow.ahead?.ranges(64 * MIB), 8);
  t.strictSame(
    flow.sizes().map((size) => size.figures().of),
    ['part', 'read', 'read-ahead'],
  );
});
