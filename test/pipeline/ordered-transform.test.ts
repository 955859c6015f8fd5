import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import t from 'tap';
import { OrderedTransform } from '../../src/pipeline/ordered-transform.ts';
import { closed, type Gate, gate, turns } from '../support/turns.ts';

/** A reader that keeps what it gets. */
function collector<T>(into: T[], highWaterMark = 1): Writable {
  return new Writable({
    objectMode: true,
    highWaterMark,
    write: (item: T, _encoding, callback) => {
      into.push(item);
      setImmediate(callback);
    },
  });
}

t.test('results leave in the order of the inputs, however long each takes', async (t) => {
  const run = async (delays: number[], concurrency: number, highWaterMark: number): Promise<void> => {
    let running = 0;
    const stage = new OrderedTransform<number, number>({
      name: 'test',
      concurrency,
      highWaterMark,
      transform: (item) => {
        const turnsLeft = delays[item] ?? 0;
        if (turnsLeft === 0) return item * 2;
        running += 1;
        assert.ok(running <= concurrency, `${running} at the same time`);
        return turns(turnsLeft).then(() => {
          running -= 1;
          return item * 2;
        });
      },
    });
    const out: number[] = [];
    await pipeline(Readable.from(delays.keys(), { highWaterMark: 1 }), stage, collector(out));
    assert.deepEqual(
      out,
      delays.map((_, at) => at * 2),
    );
    await closed(stage);
  };
  await t.resolves(
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(4), { maxLength: 25 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        run,
      ),
      { numRuns: 100 },
    ),
  );
});

t.test('a reader that stops: what is inside stays within concurrency plus both marks', async (t) => {
  for (const kind of ['sync', 'async', 'slow'] as const) {
    for (const [concurrency, highWaterMark] of [
      [1, 1],
      [4, 1],
      [2, 3],
    ] as const) {
      let produced = 0;
      let consumed = 0;
      const slow: Gate[] = [];
      const source = Readable.from(
        (function* () {
          for (;;) {
            produced += 1;
            yield produced;
          }
        })(),
        { highWaterMark: 1 },
      );
      let started = 0;
      const stage = new OrderedTransform<number, number>({
        name: 'test',
        concurrency,
        highWaterMark,
        transform: (item) => {
          started += 1;
          if (kind === 'sync') return item;
          if (kind === 'async') return turns(1).then(() => item);
          const wait = gate();
          slow.push(wait);
          return wait.promise.then(() => item);
        },
      });
      source.pipe(stage);
      // As a pipe does before it waits.
      stage.read(0);
      const settle = async (): Promise<void> => {
        for (let turn = 0; turn < 20; turn += 1) {
          await turns(2);
          for (const wait of slow.splice(0)) wait.open();
        }
      };
      const bounded = (note: string): void => {
        t.ok(started - consumed <= concurrency + highWaterMark, `${note}: ${started - consumed} started`);
        // The source itself may hold one and have one on the way.
        const bound = concurrency + 2 * highWaterMark + 2;
        t.ok(produced - consumed <= bound, `${note}: ${produced - consumed} produced, bound ${bound}`);
      };
      await settle();
      bounded(`${kind} ${concurrency}/${highWaterMark}`);
      t.equal(started, concurrency + highWaterMark, 'and it works ahead as far as that');
      for (let reads = 0; reads < 10; reads += 1) {
        t.equal(stage.read(), consumed + 1);
        consumed += 1;
        await settle();
        bounded(`${kind} after ${consumed} reads`);
      }
      stage.destroy();
      source.destroy();
      for (const wait of slow) wait.open();
      await closed(stage);
    }
  }
});

t.test('empty input: flush, end, close, each once', async (t) => {
  const events: string[] = [];
  const stage = new OrderedTransform<number, number>({
    name: 'test',
    concurrency: 2,
    transform: (item) => item,
    flush: async () => {
      events.push('flush');
    },
    close: async () => {
      events.push('close');
    },
  });
  const out: number[] = [];
  await pipeline(Readable.from([]), stage, collector(out));
  await closed(stage);
  t.strictSame([out, events], [[], ['flush', 'close']]);
});

t.test('flush comes after the last result and before the end', async (t) => {
  const flushing = gate();
  let results = 0;
  const stage = new OrderedTransform<number, number>({
    name: 'test',
    concurrency: 3,
    transform: async (item) => {
      await turns(2);
      results += 1;
      return item;
    },
    flush: () => {
      t.equal(results, 3);
      return flushing.promise;
    },
  });
  const out: number[] = [];
  const done = pipeline(Readable.from([1, 2, 3]), stage, collector(out));
  await turns(20);
  t.strictSame(out, [1, 2, 3]);
  t.notOk(stage.readableEnded);
  flushing.open();
  await done;
  t.ok(stage.readableEnded);
});

t.test('an error in the middle: the signal fires, close waits for the work that is still running', async (t) => {
  const failing = gate<number>();
  const other = gate<number>();
  const events: string[] = [];
  const signals: AbortSignal[] = [];
  const stage = new OrderedTransform<number, number>({
    name: 'test',
    concurrency: 2,
    transform: (item, signal) => {
      signals.push(signal);
      return item === 1 ? failing.promise : other.promise;
    },
    close: async () => {
      events.push('freed');
    },
  });
  stage.on('close', () => events.push('close'));
  stage.on('error', (error) => events.push(error.message));
  stage.write(1);
  stage.write(2);
  await turns();
  failing.fail(new Error('broken'));
  await turns();
  t.ok(signals.every(({ aborted }) => aborted));
  t.strictSame(events, [], 'the second item is still being worked on');
  other.open(2);
  await closed(stage);
  t.strictSame(events, ['freed', 'broken', 'close']);
});

t.test('what is no Error becomes one; a synchronous throw is an error like any other', async (t) => {
  const texts: string[] = [];
  for (const transform of [
    () => Promise.reject('just text'),
    () => {
      throw new Error('at once');
    },
  ]) {
    const stage = new OrderedTransform<number, number>({ name: 'test', concurrency: 1, transform });
    stage.on('error', (error) => texts.push(error.message));
    const taken = new Promise<boolean>((resolve) => stage.write(1, (error) => resolve(!error)));
    await closed(stage);
    t.equal(await taken, false, 'the writer learns of it');
  }
  t.strictSame(texts, ['just text', 'at once']);
});

t.test('destroy while work runs: closes after it settled, whether well or not', async (t) => {
  for (const ending of ['open', 'fail'] as const) {
    const work = gate<number>();
    let isClosed = false;
    let freed = 0;
    const stage = new OrderedTransform<number, number>({
      name: 'test',
      concurrency: 1,
      transform: () => work.promise,
      close: async () => {
        freed += 1;
      },
    });
    stage.on('close', () => {
      isClosed = true;
    });
    const errors: unknown[] = [];
    stage.on('error', (error) => errors.push(error));
    const taken = new Promise<boolean>((resolve) => stage.write(1, (error) => resolve(!error)));
    await turns();
    stage.destroy();
    t.equal(await taken, false, 'a write that will never be taken in does not hang');
    t.equal(isClosed, false);
    if (ending === 'open') work.open(1);
    else work.fail(new Error('late'));
    await turns();
    t.strictSame([isClosed, freed, errors], [true, 1, []]);
  }
});

t.test('destroy while flush runs: closes after it settled', async (t) => {
  const flushing = gate();
  const stage = new OrderedTransform<number, number>({
    name: 'test',
    concurrency: 1,
    transform: (item) => item,
    flush: () => flushing.promise,
  });
  stage.resume();
  stage.end();
  await turns();
  stage.destroy();
  await turns();
  t.equal(stage.closed, false);
  flushing.open();
  await turns();
  t.equal(stage.closed, true);
});

t.test('a flush that fails, a close that fails', async (t) => {
  for (const where of ['flush', 'close'] as const) {
    const stage = new OrderedTransform<number, number>({
      name: 'test',
      concurrency: 1,
      transform: (item) => item,
      [where]: async () => {
        throw new Error(`${where} failed`);
      },
    });
    const done = pipeline(Readable.from([1]), stage, collector([]));
    const [outcome] = await Promise.allSettled([done]);
    if (where === 'flush') t.match(outcome, { status: 'rejected', reason: { message: 'flush failed' } });
    await closed(stage);
    t.equal(stage.errored?.message, `${where} failed`);
  }
});
