import t from 'tap';
import { promise } from '../../support/promise.ts';
import { runLaneSequences } from './sequences.ts';

t.test('whatever hosts do, and whenever lanes end, images come out whole', async (t) => {
  promise({
    row: 'restart',
    promise: 'Whatever hosts do and whenever threads of the engine end, images are what the hosts were told',
    fault: 'random calls on two handles, lanes that end at any moment, a directory with faults',
  });
  const tally = await runLaneSequences(5, 20_261_121);
  t.ok(tally.ends > 0 && tally.closed > 0 && tally.reads > 0, JSON.stringify(tally));
});
