import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { type Emit, StepTransform } from '../../src/pipeline/step-transform.ts';
import { closed, gate, turns } from '../support/turns.ts';

t.test('none, one or many results per item, sync or async, in order, then what was held back', async (t) => {
  const run = async (counts: number[], highWaterMark: number): Promise<void> => {
    let busy = false;
    const stage = new StepTransform<number, string>({
      name: 'test',
      highWaterMark,
      step: (count, emit) => {
        assert.ok(!busy, 'one item at a time');
        if (count === 0) return undefined;
        busy = true;
        return (async () => {
          if (count % 2 === 0) await turns(1);
          for (let nth = 0; nth < count; nth += 1) await emit(`${count}/${nth}`);
          busy = false;
        })();
      },
      finish: async (emit) => {
        await emit('last');
        await emit('very last');
      },
    });
    const expected = counts.flatMap((count) => Array.from({ length: count }, (_, nth) => `${count}/${nth}`));
    const actual: unknown[] = [];
    await pipeline(Readable.from(counts), stage, async (items) => {
      for await (const item of items) actual.push(item);
    });
    assert.deepEqual(actual, [...expected, 'last', 'very last']);
    await closed(stage);
  };
  await t.resolves(
    fc.assert(fc.asyncProperty(fc.array(fc.nat(5), { maxLength: 20 }), fc.integer({ min: 1, max: 3 }), run), {
      numRuns: 100,
    }),
  );
});

t.test('one huge input cannot fill memory: emitting waits for the reader', async (t) => {
  for (const highWaterMark of [1, 3]) {
    let emitted = 0;
    const stage = new StepTransform<number, number>({
      name: 'test',
      highWaterMark,
      step: async (count, emit) => {
        while (emitted < count) {
          emitted += 1;
          await emit(emitted);
        }
      },
    });
    stage.write(1_000_000);
    await turns();
    t.equal(emitted, highWaterMark, 'without a reader');
    for (let consumed = 1; consumed <= 10; consumed += 1) {
      t.equal(stage.read(), consumed);
      await turns(2);
      t.ok(emitted - consumed <= highWaterMark, `${emitted - consumed} waiting`);
    }
    stage.destroy();
    await closed(stage);
  }
});

t.test('an item is taken in when its step has ended, so its memory is the caller’s again', async (t) => {
  const work = gate();
  const stage = new StepTransform<string, string>({
    name: 'test',
    step: (item) => (item === 'slow' ? work.promise : undefined),
  });
  const taken: string[] = [];
  stage.write('quick', () => taken.push('quick'));
  stage.write('slow', () => taken.push('slow'));
  await turns();
  t.strictSame(taken, ['quick']);
  t.ok(stage.writableNeedDrain);
  work.open();
  await turns();
  t.strictSame(taken, ['quick', 'slow']);
  stage.destroy();
});

t.test('empty input: finish, then the end', async (t) => {
  for (const finish of [undefined, async (emit: Emit<number>) => emit(7)]) {
    const stage = new StepTransform<number, number>({
      name: 'test',
      step: () => undefined,
      ...(finish ? { finish } : {}),
    });
    stage.end();
    t.strictSame(await stage.toArray(), finish ? [7] : []);
    await closed(stage);
  }
});

t.test('errors: thrown at once, later, at the end, or no Error at all', async (t) => {
  const cases: [message: string, step: () => Promise<void> | undefined, finish?: () => Promise<void>][] = [
    [
      'at once',
      () => {
        throw new Error('at once');
      },
    ],
    [
      'text',
      () => {
        throw 'text';
      },
    ],
    ['later', () => Promise.reject(new Error('later'))],
    ['text later', () => Promise.reject('text later')],
    ['at the end', () => undefined, () => Promise.reject(new Error('at the end'))],
    [
      'at the end, at once',
      () => undefined,
      () => {
        throw new Error('at the end, at once');
      },
    ],
  ];
  for (const [message, step, finish] of cases) {
    const stage = new StepTransform<number, number>({ name: 'test', step, ...(finish ? { finish } : {}) });
    const errors: string[] = [];
    stage.on('error', (error) => errors.push(error.message));
    stage.resume();
    stage.write(1);
    stage.end();
    await closed(stage);
    t.strictSame(errors, [message]);
    t.notOk(stage.readableEnded);
  }
});

t.test('destroy while a step works: the signal fires, close waits', async (t) => {
  const work = gate();
  let signal: AbortSignal | undefined;
  const stage = new StepTransform<number, number>({
    name: 'test',
    step: (_item, _emit, given) => {
      signal = given;
      return work.promise;
    },
  });
  stage.write(1);
  await turns();
  const reason = new EngineError('VOST_TEST', 'internal', 'torn down');
  const errors: unknown[] = [];
  stage.on('error', (error) => errors.push(error));
  stage.destroy(reason);
  await turns();
  t.equal(stage.closed, false);
  t.equal(signal?.reason, reason);
  work.open();
  await turns();
  t.strictSame([stage.closed, errors], [true, [reason]]);
});

t.test('destroy while emitting waits for a reader: emit rejects, at that call and at every later one', async (t) => {
  const failures: unknown[] = [];
  const stage = new StepTransform<number, number>({
    name: 'test',
    step: async (_item, emit) => {
      for (let nth = 0; nth < 3; nth += 1) {
        try {
          await emit(nth);
        } catch (error) {
          failures.push((error as EngineError).code);
        }
      }
    },
  });
  const taken = new Promise<void>((resolve) => stage.write(1, () => resolve()));
  await turns();
  stage.destroy();
  await closed(stage);
  await taken;
  t.strictSame(failures, ['VOST_ABORTED', 'VOST_ABORTED', 'VOST_ABORTED']);
});

t.test('destroy while finish works', async (t) => {
  const work = gate();
  const stage = new StepTransform<number, number>({ name: 'test', step: () => undefined, finish: () => work.promise });
  stage.resume();
  stage.end();
  await turns();
  stage.destroy();
  await turns();
  t.equal(stage.closed, false);
  work.open();
  await closed(stage);
  t.notOk(stage.readableEnded);
});
