import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { EngineError, failureOf } from '../../../src/errors.ts';
import { FlowControl } from '../../../src/vast/flow/flow-control.ts';
import { FlowGate } from '../../../src/vast/flow/flow-gate.ts';

const MIB = 2 ** 20;

t.test('as many as the limit, then in the order of arrival', async (t) => {
  const gate = new FlowGate({ most: 4, now: () => 0 });
  const entered: number[] = [];
  const leaves = new Map<number, (outcome: 'moved') => void>();
  const enter = async (number: number): Promise<void> => {
    leaves.set(number, await gate.enter(MIB, undefined));
    entered.push(number);
  };
  for (let number = 0; number < 7; number += 1) void enter(number);
  await turn();
  t.same(entered, [0, 1, 2, 3]);
  t.equal(gate.inFlight, 4);
  t.equal(gate.waiting, 3);
  leaves.get(2)?.('moved');
  await turn();
  t.same(entered, [0, 1, 2, 3, 4]);
});

t.test('who gives up waiting leaves no trace', async (t) => {
  const gate = new FlowGate({ most: 1, now: () => 0 });
  const leave = await gate.enter(MIB, undefined);
  const abort = new AbortController();
  const waiting = gate.enter(MIB, abort.signal);
  abort.abort();
  t.equal(failureOf(await waiting.catch((error: unknown) => error)), 'aborted');
  t.equal(failureOf(await gate.enter(MIB, abort.signal).catch((error: unknown) => error)), 'aborted');
  t.equal(gate.waiting, 0);
  leave('moved');
  t.equal(gate.inFlight, 0);
});

t.test('small requests pass by; each direction has its own limit; failures leave too', async (t) => {
  const control = new FlowControl({ most: { write: 1, read: 1 } });
  const block = Promise.withResolvers<void>();
  const long = control.run('part', MIB, undefined, () => block.promise);
  t.equal(await control.run('put', 1000, undefined, async () => 'small'), 'small');
  t.equal(await control.run('read', MIB, undefined, async () => 'read'), 'read');
  const next = control.run('part', MIB, undefined, async () => {
    throw new EngineError('VOST_STORE_BUSY', 'retryable', 'slow down', { details: { httpStatus: 503 } });
  });
  await turn();
  t.equal(control.write?.waiting, 1);
  block.resolve();
  await long;
  await t.rejects(next, { code: 'VOST_STORE_BUSY' });
  t.equal(control.write?.inFlight, 0);
});
