import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { Coverage } from '../../src/stages/coverage.ts';

t.test('property: like a row of flags', async (t) => {
  const range = fc.tuple(fc.nat(40), fc.nat(12)).map(([start, length]): [number, number] => [start, start + length]);
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
        const coverage = new Coverage();
        const flags: boolean[] = Array.from({ length: 60 }, () => false);
        for (const [start, end] of ranges) {
          coverage.add(start, end);
          flags.fill(true, start, end);
          assert.equal(coverage.filled, flags.indexOf(false));
          assert.equal(coverage.end, flags.lastIndexOf(true) + 1);
        }
      }),
      { numRuns: 2000 },
    ),
  );
});

t.test('nothing yet, and empty ranges', async (t) => {
  const coverage = new Coverage();
  t.strictSame([coverage.filled, coverage.end], [0, 0]);
  coverage.add(5, 5);
  coverage.add(7, 3);
  t.strictSame([coverage.filled, coverage.end], [0, 0]);
});
