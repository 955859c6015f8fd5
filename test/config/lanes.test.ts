import t from 'tap';
import { planLanes } from '../../src/config/lanes.ts';

t.test('lanes by the number of processors', async (t) => {
  const counts = [1, 2, 3, 4, 5, 8, 16, 32, 64, 256].map((processors) => planLanes('auto', processors).count);
  t.strictSame(counts, [0, 0, 0, 2, 2, 4, 8, 16, 16, 16]);
  t.match(planLanes('auto', 2).why, 'with 2 processors');
  t.match(planLanes('auto', 8).why, '8 processors: one for every two');
});

t.test('what the configuration says counts', async (t) => {
  t.equal(planLanes(0, 64).count, 0);
  t.equal(planLanes(5, 2).count, 5);
});
