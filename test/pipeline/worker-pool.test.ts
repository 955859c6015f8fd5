import t, { type Test } from 'tap';
import { type LossReason, type Task, WorkerPool, type WorkerPoolOptions } from '../../src/pipeline/worker-pool.ts';
import { refusal } from '../support/refusal.ts';

const file = new URL('../fixtures/pool-worker.mjs', import.meta.url);

function pool(t: Test, options: Partial<WorkerPoolOptions> = {}): WorkerPool<unknown> {
  const made = new WorkerPool<unknown>({ file, threads: 1, ...options });
  t.teardown(() => made.close());
  return made;
}

/** What a WorkerLost looks like to tap. */
const lost = (reason: LossReason, message = /./): { name: string } =>
  ({ name: 'WorkerLost', reason, message }) as { name: string };

const task = (message: unknown, more: Partial<Task> = {}): Task => ({
  create: () => ({ message, transfer: [] }),
  ...more,
});

t.test('answers, in turn', async (t) => {
  const workers = pool(t, { threads: 2 });
  const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => workers.run(task({ echo: n }))));
  t.same(
    answers.map((answer) => (answer as { echo: number }).echo),
    [1, 2, 3, 4, 5],
  );
});

t.test('what waits for a long task gets a further thread, up to as many as there may be', async (t) => {
  const workers = pool(t, { threads: 3 });
  const stop = new AbortController();
  const long = [1, 2].map(() => workers.run(task({ untilAborted: true }, { signal: stop.signal })));
  const short = (await Promise.all([1, 2, 3].map((echo) => workers.run(task({ echo }))))) as { thread: number }[];
  t.equal(new Set(short.map(({ thread }) => thread)).size, 1);
  const third = workers.run(task({ untilAborted: true }, { signal: stop.signal }));
  const waiting = workers.run(task({ echo: 4 }));
  stop.abort();
  for (const { status } of await Promise.allSettled([...long, third])) t.equal(status, 'rejected');
  t.match(await waiting, { echo: 4 });
});

t.test('a task is made when a thread is free', async (t) => {
  const workers = pool(t);
  let made = 0;
  const counted = (echo: number): Task => ({
    create: () => {
      made += 1;
      return { message: { echo }, transfer: [] };
    },
  });
  const first = workers.run(counted(1));
  const second = workers.run(counted(2));
  t.equal(made, 1);
  await Promise.all([first, second]);
  t.equal(made, 2);
  await t.rejects(
    workers.run({
      create: () => {
        throw new Error('no memory');
      },
    }),
    { message: 'no memory' },
  );
  t.match(await workers.run(task({ echo: 3 })), { echo: 3 }, 'the thread is still there');
});

t.test('a new thread that hangs, crashes, ends or takes too much memory is replaced', async (t) => {
  const workers = pool(t);
  await t.rejects(workers.run(task({ hang: true }, { timeoutMs: 300 })), {
    reason: 'timeout',
    message: /0\.3 seconds/,
  });
  await t.rejects(workers.run(task({ crash: true })), lost('crashed', /^crash$/));
  await t.rejects(workers.run(task({ exit: 3 })), lost('crashed', /code 3/));
  const greedy = task({ take: 4096 }, { memoryBytes: 100 * 2 ** 20 });
  await t.rejects(workers.run(greedy), lost('memory', /MiB of memory where it may have 100/));
  t.match(await workers.run(task({ echo: 1 })), { echo: 1 });
});

t.test('what waits behind them is done', async (t) => {
  const workers = pool(t);
  const crashing = workers.run(task({ crash: true }));
  const waiting = workers.run(task({ echo: 1 }));
  await t.rejects(crashing);
  t.match(await waiting, { echo: 1 });
});

t.test('a task whose thread had served others is tried once more, on a new one', async (t) => {
  const workers = pool(t);
  const { thread: before } = (await workers.run(task({ echo: 1 }))) as { thread: number };
  const { thread: after } = (await workers.run(task({ crashOn: before }))) as { thread: number };
  t.not(after, before);
  await t.rejects(workers.run(task({ crash: true })), lost('crashed'), 'and only once more');
});

t.test('threads that are busy by turns are not taken for greedy ones', async (t) => {
  const workers = pool(t, { threads: 3 });
  const memoryBytes = 200 * 2 ** 20;
  const round = (echo: number) => workers.run(task({ echo, take: 2 }, { memoryBytes }));
  for (let at = 0; at < 15; at += 1) await Promise.all([round(1), round(2), at % 2 ? round(3) : undefined]);
  t.equal(workers.lost, 0);
});

t.test('limits of V8 count as memory', async (t) => {
  const workers = pool(t, { worker: { resourceLimits: { maxOldGenerationSizeMb: 24 } } });
  await t.rejects(workers.run(task({ heap: true })), lost('memory'));
});

t.test('a signal ends what waits, what listens, and what does not', async (t) => {
  const workers = pool(t);
  const reason = new Error('enough');
  const gone = AbortSignal.abort(reason);
  await t.rejects(workers.run(task({ echo: 1 }, { signal: gone })), refusal('aborted'));
  const stop = new AbortController();
  const listening = workers.run(task({ untilAborted: true }, { signal: stop.signal }));
  const waiting = workers.run(task({ echo: 2 }, { signal: stop.signal }));
  const other = workers.run(task({ echo: 3 }));
  stop.abort(reason);
  await t.rejects(waiting, refusal('aborted', { cause: reason }));
  await t.rejects(listening, refusal('aborted', { cause: reason }));
  t.match(await other, { echo: 3 });
  const deaf = new AbortController();
  const hanging = workers.run(task({ hang: true }, { signal: deaf.signal }));
  deaf.abort(reason);
  await t.rejects(hanging, refusal('aborted', { cause: reason }));
});

t.test('closing loses what is not done', async (t) => {
  const workers = pool(t);
  const running = workers.run(task({ hang: true }));
  const waiting = workers.run(task({ echo: 1 }));
  const losses = Promise.all([t.rejects(running, lost('crashed')), t.rejects(waiting, lost('crashed'))]);
  await workers.close();
  await losses;
});

t.test('what threads print goes where it is told', async (t) => {
  const printed = Promise.withResolvers<string>();
  const workers = pool(t, { onOutput: printed.resolve });
  await workers.run(task({ print: 'hello' }));
  t.match(await printed.promise, /hello/);
});
