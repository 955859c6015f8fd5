import { access } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../../src/errors.ts';
import { CallGate } from '../../../src/vast/nfs/call-gate.ts';
import { callShare, poolThreads } from '../../../src/vast/nfs/call-share.ts';
import { Files } from '../../../src/vast/nfs/files.ts';

/** A call that ends when the test wants it. */
function held() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { call: () => promise, end: resolve, fail: reject };
}

t.test('so many calls at a time, who came first goes first, and how long the oldest takes', async (t) => {
  let now = 0;
  const gate = new CallGate(2, () => now);
  t.same(gate.status(), { limit: 2, inFlight: 0, waiting: 0, oldestMs: 0 });
  const order: number[] = [];
  const calls = Array.from({ length: 4 }, held);
  const done = calls.map(({ call }, at) =>
    gate.run(async () => {
      order.push(at);
      await call();
    }),
  );
  now = 70;
  t.same(order, [0, 1]);
  t.same(gate.status(), { limit: 2, inFlight: 2, waiting: 2, oldestMs: 70 });
  calls[1]?.end();
  await done[1];
  t.same(gate.status(), { limit: 2, inFlight: 2, waiting: 1, oldestMs: 70 });
  calls[0]?.fail(new Error('its own'));
  await t.rejects(done[0] as Promise<void>, { message: 'its own' });
  now = 100;
  t.same(gate.status(), { limit: 2, inFlight: 2, waiting: 0, oldestMs: 30 });
  t.same(order, [0, 1, 2, 3]);
  for (const { end } of calls) end();
  await Promise.allSettled(done);
  t.same(gate.status(), { limit: 2, inFlight: 0, waiting: 0, oldestMs: 0 });
});

t.test('a signal ends calls that wait, and no others', async (t) => {
  const gate = new CallGate(1);
  const first = held();
  const stop = new AbortController();
  const running = gate.run(first.call, stop.signal);
  const waiting = gate.run(async () => t.fail('never made'), stop.signal);
  stop.abort(new Error('enough'));
  await t.rejects(waiting, EngineError);
  await t.rejects(
    gate.run(async () => undefined, stop.signal),
    EngineError,
  );
  t.equal(gate.status().waiting, 0);
  first.end();
  await running;
  t.equal(await gate.run(async () => 'a clean-up', stop.signal), 'a clean-up', 'where there is a place nobody asks');
});

t.test('any order of ends and aborts: never too many, and all have ended', async () => {
  const step = fc.record({ abort: fc.boolean(), at: fc.nat(20) });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 30 }), async (limit, steps) => {
      const gate = new CallGate(limit);
      let running = 0;
      const calls = Array.from({ length: 12 }, () => ({ ...held(), stop: new AbortController() }));
      const done = calls.map(({ call, stop }) =>
        gate.run(async () => {
          running += 1;
          if (running > limit) throw new Error('too many');
          await call();
          running -= 1;
        }, stop.signal),
      );
      for (const one of done) one.catch(() => undefined);
      for (const { abort, at } of steps) {
        if (abort) calls[at]?.stop.abort();
        else calls[at]?.end();
        await new Promise(setImmediate);
      }
      for (const { end } of calls) end();
      const ends = await Promise.allSettled(done);
      const { inFlight, waiting } = gate.status();
      const wrong = ends.some((end) => end.status === 'rejected' && end.reason.failure !== 'aborted');
      return !wrong && running === 0 && inFlight === 0 && waiting === 0;
    }),
    { numRuns: 50 },
  );
});

t.test('a request that has given up waits for no descriptor to be closed; it is closed all the same', async (t) => {
  const gate = new CallGate(1);
  const stop = new AbortController();
  const folder = t.testdir({ a: '' });
  const file = await new Files(gate).until(stop.signal).open(join(folder, 'a'), 0);
  const link = `/proc/self/fd/${file.fd}`;
  const hung = held();
  const hanging = gate.run(hung.call);
  stop.abort();
  await file.close();
  await access(link);
  hung.end();
  await hanging;
  while (gate.status().inFlight + gate.status().waiting > 0) await new Promise(setImmediate);
  t.equal(file.fd, -1);
});

t.test('shares of the threads', async (t) => {
  t.equal(poolThreads({}), 4);
  t.equal(poolThreads({ UV_THREADPOOL_SIZE: '128' }), 128);
  t.equal(poolThreads({ UV_THREADPOOL_SIZE: '0' }), 1);
  t.equal(poolThreads({ UV_THREADPOOL_SIZE: '9999' }), 1024);
  t.equal(poolThreads({ UV_THREADPOOL_SIZE: 'many' }), 1);
  t.same(
    [callShare(1, 128), callShare(3, 128), callShare(500, 128), callShare(1, 4), callShare(0, 4)],
    [112, 37, 1, 3, 3],
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 1024 }), (directories, threads) => {
      const share = callShare(directories, threads);
      return share >= 1 && (share === 1 || share * directories < threads);
    }),
  );
});
