import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { type PartPlanOptions, planParts } from '../../src/stages/part-planner.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;
const S3: PartPlanOptions = {
  partBytes: 64 * MIB,
  maxPartBytes: 5 * GIB,
  minPartBytes: 5 * MIB,
  maxParts: 10_000,
  maxFragmentBytes: 5 * TIB,
};

t.test('half of the parts have the configured size, then they grow evenly', async (t) => {
  const plan = planParts(S3);
  for (const number of [1, 2, 4999, 5000]) t.equal(plan.target(number), 64 * MIB);
  let last = plan.target(5000);
  for (let number = 5001; number <= 10_000; number += 1) {
    const growth = plan.target(number) - last;
    if (growth <= 0 || growth > MIB) t.fail(`part ${number} grows by ${growth}`);
    last += growth;
  }
});

t.test('a fragment reaches the store’s limit within its parts', async (t) => {
  for (const maxParts of [1, 2, 3, 1000, 10_000]) {
    const options = { ...S3, maxParts, maxPartBytes: 10 * TIB };
    const plan = planParts(options);
    let size = 0;
    for (let number = 1; number <= maxParts; number += 1) size += plan.target(number);
    if (maxParts > 1) t.ok(size >= options.maxFragmentBytes, `${maxParts} parts`);
    t.equal(plan.target(1), 64 * MIB);
  }
});

t.test('parts are no larger than memory allows, from the first on', async (t) => {
  const plan = planParts({ ...S3, partBytes: 4 * GIB, maxPartBytes: 128 * MIB });
  t.equal(plan.target(1), 128 * MIB);
  t.equal(plan.target(10_000), 128 * MIB);
});

t.test('and no smaller than the store wants', async (t) => {
  t.equal(planParts({ ...S3, partBytes: 1 }).target(1), 5 * MIB);
});

t.test('what fits a fragment', async (t) => {
  const plan = planParts({ ...S3, maxParts: 3, maxFragmentBytes: 100, partBytes: 10, minPartBytes: 1 });
  t.strictSame(
    [plan.fits(1, 0, 100), plan.fits(3, 60, 40), plan.fits(3, 60, 41), plan.fits(1, 0, 101), plan.fits(4, 0, 1)],
    [true, true, false, false, false],
  );
});

t.test('plans that cannot be', async (t) => {
  const wrong = { code: 'VOST_PART_PLAN', failure: 'usage' };
  t.throws(() => planParts({ ...S3, maxPartBytes: 4 * MIB }), { ...wrong, advice: /memory/ });
  t.throws(() => planParts({ ...S3, maxParts: 0 }), wrong);
});

t.test('property: targets are between the bounds and never shrink', async (t) => {
  const options = fc
    .record({
      partBytes: fc.integer({ min: 1, max: 1000 }),
      minPartBytes: fc.integer({ min: 1, max: 100 }),
      more: fc.nat(2000),
      maxParts: fc.integer({ min: 1, max: 200 }),
      maxFragmentBytes: fc.integer({ min: 1, max: 1_000_000 }),
    })
    .map(({ more, ...rest }) => ({ ...rest, maxPartBytes: rest.minPartBytes + more }));
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(options, (given) => {
        const plan = planParts(given);
        let last = 0;
        for (let number = 1; number <= given.maxParts; number += 1) {
          const target = plan.target(number);
          assert.ok(Number.isSafeInteger(target) && target >= last);
          assert.ok(target >= given.minPartBytes && target <= given.maxPartBytes);
          last = target;
        }
      }),
    ),
  );
});
