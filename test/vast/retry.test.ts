import fc from 'fast-check';
import t from 'tap';
import { EngineError, type FailureClass } from '../../src/errors.ts';
import { Retrier, type RetryClock, type RetryEvent } from '../../src/vast/retry.ts';
import { refusal } from '../support/refusal.ts';

const failure = (kind: FailureClass): EngineError => new EngineError('VOST_TEST', kind, 'on purpose');

/** A clock that only moves when somebody sleeps. */
function fakeClock(random = 0.5): RetryClock & { readonly slept: number[] } {
  const slept: number[] = [];
  let time = 0;
  return {
    slept,
    now: () => time,
    random: () => random,
    sleep: async (ms) => {
      slept.push(ms);
      time += ms;
    },
  };
}

/** Fails with each of the failures, then answers. */
function failing(...kinds: FailureClass[]): (attempt: number) => Promise<string> {
  return async (attempt) => {
    const kind = kinds[attempt - 1];
    if (kind !== undefined) throw failure(kind);
    return `attempt ${attempt}`;
  };
}

t.test('retryable failures pass', async (t) => {
  const clock = fakeClock();
  const events: RetryEvent[] = [];
  const retrier = new Retrier({ clock, onRetry: (event) => events.push(event) });
  const result = await retrier.run({ operation: 'put', bytes: 7 }, failing('retryable', 'retryable', 'retryable'));
  t.equal(result, 'attempt 4');
  t.same(clock.slept, [100, 200, 400], 'half of a bound that doubles');
  t.match(events, [
    { operation: 'put', attempt: 1, bytes: 7, delayMs: 100 },
    { operation: 'put', attempt: 2, bytes: 7, delayMs: 200 },
    { operation: 'put', attempt: 3, bytes: 7, delayMs: 400 },
  ]);
});

t.test('final failures do not', async (t) => {
  const finals = ['access', 'not-found', 'exists', 'busy', 'capacity', 'usage', 'unsupported', 'internal'] as const;
  for (const kind of finals) {
    const clock = fakeClock();
    await t.rejects(new Retrier({ clock }).run({ operation: 'x' }, failing(kind)), refusal(kind));
    t.same(clock.slept, [], kind);
  }
  const bug = new TypeError('bug');
  const thrown: unknown = await new Retrier()
    .run({ operation: 'x' }, () => Promise.reject(bug))
    .catch((e: unknown) => e);
  t.equal(thrown, bug, 'what is no EngineError comes through as it is');
});

t.test('integrity is tried twice more, credentials once', async (t) => {
  const clock = fakeClock();
  let refreshed = 0;
  const refresh = async (): Promise<void> => {
    refreshed += 1;
  };
  const retrier = new Retrier({ clock, refresh });
  t.equal(await retrier.run({ operation: 'x' }, failing('integrity', 'integrity')), 'attempt 3');
  const thrice = failing('integrity', 'integrity', 'integrity');
  await t.rejects(retrier.run({ operation: 'x' }, thrice), refusal('integrity', { details: { attempts: 3 } }));
  t.equal(await retrier.run({ operation: 'x' }, failing('credentials')), 'attempt 2');
  t.equal(refreshed, 1);
  await t.rejects(retrier.run({ operation: 'x' }, failing('credentials', 'credentials')), refusal('credentials'));
  t.equal(refreshed, 2);
  const without = new Retrier({ clock });
  await t.rejects(without.run({ operation: 'x' }, failing('credentials')), refusal('credentials'));
  const broken = new Retrier({ clock, refresh: () => Promise.reject(new Error('no metadata service')) });
  await t.rejects(broken.run({ operation: 'x' }, failing('credentials')), refusal('credentials'));
});

t.test('the budget', async (t) => {
  await t.test('holds for every policy and every chance', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 100_000 }),
        fc.integer({ min: 50, max: 1_000 }),
        fc.integer({ min: 1_000, max: 30_000 }),
        fc.double({ min: 0.1, max: 0.999, noNaN: true }),
        async (budgetMs, baseMs, capMs, random) => {
          const clock = fakeClock(random);
          let attempts = 0;
          const retrier = new Retrier({ clock, policy: { budgetMs, baseMs, capMs } });
          const error: unknown = await retrier
            .run({ operation: 'x' }, async () => {
              attempts += 1;
              throw failure('retryable');
            })
            .catch((caught: unknown) => caught);
          const waited = clock.slept.reduce((sum, ms) => sum + ms, 0);
          return (
            error instanceof EngineError &&
            waited <= budgetMs &&
            attempts === clock.slept.length + 1 &&
            clock.slept.every((ms) => ms <= capMs)
          );
        },
      ),
      { numRuns: 100 },
    );
  });
});

t.test('abort', async (t) => {
  const stop = new AbortController();
  let attempts = 0;
  const run = new Retrier({ clock: fakeClock() }).run({ operation: 'x', signal: stop.signal }, async () => {
    attempts += 1;
    stop.abort();
    throw failure('retryable');
  });
  await t.rejects(run, refusal('aborted'));
  t.equal(attempts, 1);
  const never = new Retrier().run({ operation: 'x', signal: stop.signal }, async () => {
    attempts += 1;
  });
  await t.rejects(never, refusal('aborted'));
  t.equal(attempts, 1, 'not even once');
  const sleeping = new AbortController();
  const real = new Retrier({
    policy: { baseMs: 1e9, capMs: 1e9, budgetMs: 1e10 },
    onRetry: () => queueMicrotask(() => sleeping.abort()),
  });
  await t.rejects(
    real.run({ operation: 'x', signal: sleeping.signal }, () => Promise.reject(failure('retryable'))),
    refusal('aborted'),
    'also in a long pause',
  );
});
