import t, { type Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { SlabPool } from '../../src/pipeline/slab-pool.ts';
import type { StageInstance } from '../../src/pipeline/stage.ts';
import type { ObserverDescription } from '../../src/vendor-stages/description.ts';
import { LoadedStage } from '../../src/vendor-stages/loaded-stage.ts';
import type { ObserveCall, StageAnswer } from '../../src/vendor-stages/protocol.ts';
import type { Work } from '../../src/vendor-stages/stage-runner.ts';
import { configuredObserver } from '../../src/vendor-stages/vendor-observer.ts';
import { refusal } from '../support/refusal.ts';

const BYTES = 4096;
const until = new AbortController().signal;

interface Call {
  readonly chunks: readonly number[];
  readonly timeoutMs: number;
  answer(answer?: StageAnswer): void;
}

/** An observer whose thread is this test. */
function observer(t: Test, placement: 'worker' | 'main' = 'worker') {
  const calls: Call[] = [];
  const run = ({ create, timeoutMs }: Work): Promise<StageAnswer> => {
    const { seen } = create() as ObserveCall;
    const { promise, resolve } = Promise.withResolvers<StageAnswer>();
    const chunks = seen.map(({ chunk }) => chunk.index);
    const usual = { value: chunks, reports: [] };
    calls.push({ chunks, timeoutMs, answer: (answer = usual) => resolve(answer) });
    return promise;
  };
  const description = {
    kind: 'observer',
    name: 'watch',
    version: '1.0.0',
    functions: ['observe'],
    secrets: [],
    placement,
    concurrency: 2,
    timeoutSeconds: 10,
    memoryMb: 16,
  } as unknown as ObserverDescription;
  const stage = new LoadedStage(description, { run, lost: () => 0, close: async () => undefined }, () => undefined);
  const budget = new ByteBudget(2 ** 20);
  const slabs = new SlabPool(bridge, budget);
  const scope = new LeaseScope();
  t.teardown(() => {
    scope.releaseAll();
    slabs.close();
    if (budget.used !== 0) throw new Error(`${budget.used} bytes were never given back`);
  });
  const instance: StageInstance = configuredObserver(stage, { options: {}, secrets: {} }).observe({
    budget,
    scope,
    bridge,
    slabs,
    image: { lsu: 'l', name: 'a', date: '1', policy: '', schedule: '', client: '' },
    before: (length) => length,
  });
  const pass = async (index: number): Promise<Chunk> => {
    const { bytes, lease } = await slabs.acquire(BYTES, scope);
    const chunk = { index, offset: index * BYTES, length: BYTES, pieces: [bytes], lease };
    return (await instance.apply(chunk, until)) as Chunk;
  };
  /** The first call, after which it is known how long it takes. */
  const first = async (): Promise<void> => {
    const chunk = await pass(0);
    await turn();
    calls[0]?.answer();
    chunk.lease.release();
    await turn();
  };
  return { instance, calls, budget, pass, first };
}

/** What calls take is decided here: on a busy machine a turn may take longer than what counts as quick. */
let clock = 0;
t.intercept(performance, 'now', { value: () => clock });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const chunksOf = (calls: readonly Call[]): readonly (readonly number[])[] => calls.map(({ chunks }) => chunks);

t.test('chunks wait for each other while they are kept anyhow', async (t) => {
  const { calls, pass, first, budget, instance } = observer(t);
  await first();
  t.equal(budget.used, 0);
  const [one] = [await pass(1), await pass(2), await pass(3)];
  await turn();
  t.same(chunksOf(calls), [[0]]);
  one?.lease.release();
  one?.lease.release();
  await turn();
  t.same(chunksOf(calls), [[0], [1, 2, 3]], 'until the memory of one would be free');
  t.equal(calls[1]?.timeoutMs, 30_000, 'each may take its time');
  calls[1]?.answer();
  await pass(4);
  const flushed = instance.flush?.();
  await turn();
  t.same(chunksOf(calls).at(-1), [4], 'or the image ends');
  calls[2]?.answer();
  await flushed;
});

t.test('not for more than eight', async (t) => {
  const { calls, pass, first } = observer(t);
  await first();
  for (let index = 1; index <= 10; index += 1) await pass(index);
  await turn();
  t.same(chunksOf(calls).slice(1), [[1, 2, 3, 4, 5, 6, 7, 8]]);
  calls[1]?.answer();
});

t.test('not when it takes long, and not in this thread', async (t) => {
  const slow = observer(t);
  await slow.pass(0);
  await turn();
  clock += 50;
  slow.calls[0]?.answer();
  await turn();
  await slow.pass(1);
  const own = observer(t, 'main');
  await own.first();
  await own.pass(1);
  await turn();
  t.same(
    [chunksOf(slow.calls), chunksOf(own.calls)],
    [
      [[0], [1]],
      [[0], [1]],
    ],
  );
  slow.calls[1]?.answer();
  own.calls[1]?.answer();
});

t.test('the chunk that it refused is named, else all of the call', async (t) => {
  for (const [answer, message] of [
    [{ error: { kind: 'failed', message: 'no' }, nth: 1 }, /observe of chunk 2: no/],
    [{ error: { kind: 'failed', message: 'no' } }, /observe of one of chunks 1, 2, 3: no/],
  ] as const) {
    const { calls, pass, first, instance } = observer(t);
    await first();
    for (const index of [1, 2, 3]) await pass(index);
    const flushed = instance.flush?.();
    await turn();
    calls[1]?.answer(answer);
    await t.rejects(flushed as Promise<void>, refusal('internal', { code: 'VOST_STAGE_FAILED', message }));
  }
});

t.test('an image that is given up', async (t) => {
  const { calls, pass, first, instance } = observer(t);
  await first();
  await pass(1);
  await instance.close?.();
  await turn();
  t.same(chunksOf(calls), [[0]]);
});
