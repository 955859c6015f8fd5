import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { ObjectStore } from '../../src/vast/store.ts';
import { runSequence, sequence, Tally } from '../chaos/model-sequence.ts';
import { freshLsus } from '../chaos/model-stores.ts';
import { testResources } from '../image/support.ts';

// `make soak`: SEQUENCES (default 10,000) of the model test. Another seed every time, unless SEED names one to run again.
const runs = Number(process.env['SEQUENCES'] ?? 10_000);
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
/** Real stores are slower by this much. */
const SHARE = 20;

t.setTimeout(12 * 3_600_000);

async function soak(t: Test, numRuns: number, fresh: () => Promise<ObjectStore | undefined>): Promise<void> {
  const resources = testResources(t);
  const tally = new Tally();
  await fc.assert(
    fc.asyncProperty(sequence, async (one) => runSequence(resources, one, tally, await fresh())),
    { numRuns, seed },
  );
  t.comment(JSON.stringify(tally));
  t.ok(tally.steps > 0);
}

t.test(`${runs} sequences, seed ${seed}`, (t) => soak(t, runs, async () => undefined));

for (const kind of ['directory', 'simulator'] as const) {
  const some = Math.ceil(runs / SHARE);
  t.test(`${some} sequences, ${kind}, seed ${seed}`, async (t) => soak(t, some, await freshLsus(t, kind)));
}
