import fc from 'fast-check';
import t from 'tap';
import { type SizeDecision, SteppedSize } from '../../../src/vast/flow/stepped-size.ts';

const WHY = { larger: 'fewer-in-flight', smaller: 'more-in-flight' } as const;

t.test('a power of two within its bounds, near what is wanted; every change is told', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.1, max: 1e6, noNaN: true }), { minLength: 1 }), (wanted) => {
      const told: SizeDecision[] = [];
      const size = new SteppedSize({ of: 'part', least: 16, most: 4096, onDecision: (one) => told.push(one) });
      let last: number | undefined;
      let changes = 0;
      for (const one of wanted) {
        const now = size.follow(one, WHY);
        t.equal(size.bytes, now);
        if (now < 16 || now > 4096 || !Number.isInteger(Math.log2(now))) return false;
        if (now > 16 && now > one * 1.125) return false;
        if (now < 4096 && one >= 2 * now * 1.125) return false;
        if (last !== undefined && last !== now) changes += 1;
        last = now;
      }
      const counted = [...size.decisions.values()].reduce((a, b) => a + b, 0);
      return told.length === changes && counted === changes && told.every(({ from, to }) => from !== to);
    }),
    { numRuns: 300 },
  );
});

t.test('what goes up and down a little changes nothing', async (t) => {
  const size = new SteppedSize({ of: 'read', least: 1, most: 1024 });
  t.equal(size.bytes, 1024, 'before anything is wanted');
  for (const wanted of [64, 127, 143, 64, 58, 100]) t.equal(size.follow(wanted, WHY), 64);
  t.equal(size.follow(56, WHY), 32);
  t.equal(size.follow(70, WHY), 32);
  t.equal(size.follow(72, WHY), 64);
  t.strictSame([size.decisions.get('more-in-flight'), size.decisions.get('fewer-in-flight')], [1, 1]);
});
