import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { failureOf } from '../../../src/errors.ts';
import { Turns } from '../../../src/ost/images/turns.ts';

const { signal } = new AbortController();

t.test('as many as the bound says now, in the order in which they came', async (t) => {
  let most = 2;
  const turns = new Turns(() => most);
  const went: number[] = [];
  for (const one of [0, 1, 2, 3, 4]) void turns.mine(signal).then(() => went.push(one));
  await turn();
  t.strictSame(went, [0, 1]);
  turns.done();
  await turn();
  t.strictSame(went, [0, 1, 2]);
  most = 3;
  turns.done();
  await turn();
  t.strictSame(went, [0, 1, 2, 3, 4]);
});

t.test('one always goes; who gives up leaves no trace', async (t) => {
  const turns = new Turns(() => 0);
  await turns.mine(signal);
  const stop = new AbortController();
  const waiting = turns.mine(stop.signal);
  const next = turns.mine(signal);
  stop.abort();
  t.equal(failureOf(await waiting.catch((error: unknown) => error)), 'aborted');
  t.equal(failureOf(await turns.mine(stop.signal).catch((error: unknown) => error)), 'aborted');
  turns.done();
  await next;
  turns.done();
});
