import t from 'tap';
import { mergeFigures, type StorageFigures } from '../../src/ost/storage-figures.ts';
import type { SizeFigures } from '../../src/vast/flow/stepped-size.ts';

const calls = (inFlight: number, oldestMs: number) => ({ limit: 4, inFlight, waiting: 1, oldestMs });
const gate = (limit: number, inFlight: number) => ({
  limit,
  inFlight,
  waiting: 0,
  tried: false,
  pace: undefined,
  uneven: false,
  decisions: new Map(),
});
const size = (bytes: number, wanted: boolean, slow: number): SizeFigures => ({
  of: 'read',
  bytes,
  wanted,
  decisions: new Map([['slow', slow]]),
});

t.test('one storage as several threads see it', async (t) => {
  const own: StorageFigures = { name: 'a', gates: {}, sizes: [], transfers: undefined };
  t.match(mergeFigures([own, own]), { name: 'a', gates: {}, transfers: undefined, vips: undefined, calls: undefined });
  const one = { ...own, gates: { write: gate(8, 0) }, calls: calls(0, 0) };
  const other = {
    ...own,
    gates: { write: gate(6, 3) },
    transfers: { write: { moving: 1, answering: 2 }, read: { moving: 0, answering: 0 } },
    calls: calls(2, 31_000),
  };
  t.match(mergeFigures([one, other, other]), {
    gates: { write: { limit: 12, inFlight: 6 } },
    transfers: { write: { moving: 2, answering: 4 } },
    calls: { limit: 12, inFlight: 4, waiting: 3, oldestMs: 31_000 },
  });
  const sizes = [size(64, false, 0), size(16, true, 1), size(32, true, 2)].map((one) => ({
    ...own,
    sizes: [one],
  })) as unknown as [StorageFigures];
  t.strictSame(mergeFigures(sizes).sizes, [size(16, true, 3)], 'that nobody wanted yet is none');
});
