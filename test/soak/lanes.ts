/** `make soak-lanes`: SEQUENCES (default 1000) random sequences on handles in lanes that end at any moment; SEED for those of an earlier run. */
import t from 'tap';
import { runLaneSequences } from '../ost/lanes/sequences.ts';

const HOURS = 12 * 3_600_000;
const count = Number(process.env['SEQUENCES'] ?? 1000);
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 30);
t.setTimeout(HOURS);

t.test(`${count} sequences, seed ${seed}`, async (t) => {
  t.setTimeout(HOURS);
  t.comment(JSON.stringify(await runLaneSequences(count, seed)));
});
