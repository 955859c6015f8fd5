import fc from 'fast-check';
import t from 'tap';
import { testResources } from '../image/support.ts';
import { promise } from '../support/promise.ts';
import { runSequence, sequence, Tally } from './model-sequence.ts';

t.test('200 sequences of calls by two hosts, under faults and kills, leave what the model says', async (t) => {
  promise({
    row: '16',
    promise:
      'Whatever two hosts call, whatever fails and whenever engines die, the LSU is what a small model says; nothing acknowledged is lost',
    fault: 'random sequences under faults and kills (fast-check); 200 here, 10,000 in make soak',
  });
  const resources = testResources(t);
  const tally = new Tally();
  await fc.assert(
    fc.asyncProperty(sequence, (one) => runSequence(resources, one, tally)),
    { numRuns: 200, seed: 20_261_121 },
  );
  t.comment(JSON.stringify(tally));
  for (const [name, count] of Object.entries(tally.faults)) t.ok(count > 0, `${name}: ${count} times`);
  for (const what of ['kills', 'closed', 'reads', 'failures'] as const)
    t.ok(tally[what] > 20, `${what}: ${tally[what]}`);
});
