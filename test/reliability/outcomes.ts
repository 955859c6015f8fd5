import t from 'tap';
import { promise } from '../support/promise.ts';

// Run by reliability.test.ts: a file that ends in the way that is named.
const how = process.argv[2];
t.test('passes', async (t) => {
  promise({ row: '1', promise: 'a', fault: 'none' });
  await t.test('inside', async (t) => t.not(how, 'fail'));
  if (how === 'throw') throw new Error('on purpose');
  if (how === 'leak')
    t.teardown(() => {
      throw new Error('on purpose');
    });
  if (how === 'die') process.kill(process.pid, 'SIGKILL');
  if (how === 'hang') await new Promise(() => undefined);
});
