import fc from 'fast-check';
import t from 'tap';
import { runSequence, sequence, Tally } from '../chaos/model-sequence.ts';
import { testResources } from '../image/support.ts';

// `make soak`: SEQUENCES (default 10,000) of the model test. Another seed every time, unless SEED names one to run again.
const runs = Number(process.env['SEQUENCES'] ?? 10_000);
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

t.setTimeout(12 * 3_600_000);

t.test(`${runs} sequences, seed ${seed}`, async (t) => {
  const resources = testResources(t);
  const tally = new Tally();
  await fc.assert(
    fc.asyncProperty(sequence, (one) => runSequence(resources, one, tally)),
    { numRuns: runs, seed },
  );
  t.comment(JSON.stringify(tally));
  t.ok(tally.steps > 0);
});
