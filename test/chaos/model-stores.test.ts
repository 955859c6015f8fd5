import fc from 'fast-check';
import t from 'tap';
import { testResources } from '../image/support.ts';
import { runSequence, sequence, Tally } from './model-sequence.ts';
import { freshLsus } from './model-stores.ts';

// Few: what the calls mean is tested in memory, by many. Here it is that real stores keep what they promise to them.
for (const kind of ['directory', 'simulator'] as const) {
  t.test(`15 sequences of calls by two hosts, under faults and kills: ${kind}`, async (t) => {
    const fresh = await freshLsus(t, kind);
    const resources = testResources(t);
    const tally = new Tally();
    await fc.assert(
      fc.asyncProperty(sequence, async (one) => runSequence(resources, one, tally, await fresh())),
      { numRuns: 15, seed: 20_261_121 },
    );
    t.comment(JSON.stringify(tally));
    for (const what of ['kills', 'closed', 'reads', 'failures'] as const)
      t.ok(tally[what] > 0, `${what}: ${tally[what]}`);
  });
}
