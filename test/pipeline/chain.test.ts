import { getEventListeners } from 'node:events';
import { type Duplex, PassThrough, Readable, Transform, type Writable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { Chain } from '../../src/pipeline/chain.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { OrderedTransform } from '../../src/pipeline/ordered-transform.ts';
import { ParallelSink } from '../../src/pipeline/parallel-sink.ts';
import { StepTransform } from '../../src/pipeline/step-transform.ts';
import { gate, turns } from '../support/turns.ts';

const step = (transform: (item: number) => number | Promise<number> = (item) => item) =>
  new StepTransform<number, number>({
    name: 'step',
    step: async (item, emit) => emit(await transform(item)),
  });
const ordered = (transform: (item: number) => number | Promise<number> = (item) => item, concurrency = 2) =>
  new OrderedTransform<number, number>({ name: 'ordered', concurrency, transform });
const sink = (consume: (item: number) => Promise<void> | void = () => undefined, concurrency = 1) =>
  new ParallelSink<number>({ name: 'sink', concurrency: () => concurrency, consume: async (item) => consume(item) });
const plain = () =>
  new Transform({ objectMode: true, highWaterMark: 1, transform: (item, _encoding, callback) => callback(null, item) });

/** The outcome of a promise, as a value. */
const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'fulfilled',
    (error: unknown) => error,
  );

t.test('writes pass through all stages, in order; end waits for the last', async (t) => {
  const seen: number[] = [];
  let closes = 0;
  const streams = [step((item) => item + 1), plain(), ordered((item) => item * 10)] as const;
  const last = sink(async (item) => {
    await turns(2);
    seen.push(item);
  });
  const chain = new Chain<number>([...streams, last], {
    onClosed: () => {
      closes += 1;
      t.ok([...streams, last].every((stream) => stream.closed));
    },
  });
  for (let item = 0; item < 5; item += 1) await chain.write(item);
  await chain.end();
  t.strictSame(seen, [10, 20, 30, 40, 50]);
  await chain.done;
  t.equal(closes, 1);
});

t.test('a Readable source', async (t) => {
  const seen: number[] = [];
  const chain = new Chain<never>([
    Readable.from([1, 2, 3]),
    step(),
    sink((item) => {
      seen.push(item);
    }),
  ]);
  await chain.done;
  t.strictSame(seen, [1, 2, 3]);
});

t.test('no items at all', async (t) => {
  let closes = 0;
  const onClosed = (): void => {
    closes += 1;
  };
  await new Chain<number>([step(), ordered(), sink()], { onClosed }).end();
  await new Chain<never>([Readable.from([]), ordered(), sink()], { onClosed }).done;
  t.equal(closes, 2);
});

t.test('the first error wins, surfaces once, whatever stage it comes from, and keeps its cause', async (t) => {
  const root = new EngineError('VOST_TEST', 'capacity', 'no room', { cause: new Error('ENOSPC') });
  const fail = (): never => {
    throw root;
  };
  const failing: [name: string, make: () => [Readable | Duplex, ...Duplex[], Writable]][] = [
    ['first stage', () => [step(fail), ordered(), sink()]],
    ['middle', () => [step(), ordered(fail), step(), sink()]],
    ['plain stream', () => [step(), new Transform({ objectMode: true, transform: fail }), sink()]],
    ['sink', () => [step(), ordered(), sink(fail)]],
    [
      'source',
      () => [
        Readable.from(
          (async function* () {
            yield 1;
            fail();
          })(),
        ),
        step(),
        sink(),
      ],
    ],
  ];
  for (const [name, make] of failing) {
    const streams = make();
    let closes = 0;
    const chain = new Chain<number>(streams, {
      onClosed: () => {
        closes += 1;
        t.ok(
          streams.every((stream) => stream.closed),
          `${name}: all closed`,
        );
      },
    });
    if (name !== 'source') {
      const written: unknown[] = [];
      for (let item = 0; item < 10; item += 1) written.push(await outcome(chain.write(item)));
      t.equal(written.at(-1), root, `${name}: a write after the failure rejects with the root cause`);
      t.equal(await outcome(chain.end()), root, `${name}: and so does the end`);
    }
    t.equal(await outcome(chain.done), root, name);
    t.equal(closes, 1);
    await chain.abort(new Error('later'));
    t.equal(await outcome(chain.done), root, `${name}: a later abort changes nothing`);
  }
});

t.test('errors that follow from the first are swallowed', async (t) => {
  const first = gate();
  const second = gate();
  const chain = new Chain<number>([
    ordered((item) => (item === 0 ? item : second.promise.then(() => item)), 3),
    step(),
    sink(() => first.promise),
  ]);
  await chain.write(0);
  await chain.write(1);
  await turns();
  const root = new Error('first');
  const aborted = chain.abort(root);
  second.fail(new Error('second'));
  first.fail(new Error('third'));
  await aborted;
  t.equal(await outcome(chain.done), root);
});

t.test('done settles only when every stage has closed, however long its work takes', async (t) => {
  const work = gate<number>();
  const slow = ordered(() => work.promise);
  let closes = 0;
  const chain = new Chain<number>([step(), slow, sink()], {
    onClosed: () => {
      closes += 1;
    },
  });
  await chain.write(1);
  await turns();
  const done = outcome(chain.done);
  const root = new Error('stop');
  void chain.abort(root);
  await turns();
  t.strictSame([closes, slow.closed], [0, false]);
  work.open(1);
  t.equal(await done, root);
  t.strictSame([closes, slow.closed], [1, true]);
});

t.test('the signal: before the start, in mid-flight, after the end', async (t) => {
  const reason = new EngineError('VOST_INTERRUPTED', 'aborted', 'enough');
  for (const [given, code] of [
    [reason, 'VOST_INTERRUPTED'],
    [undefined, 'VOST_ABORTED'],
  ] as const) {
    const before = new Chain<number>([step(), sink()], { signal: AbortSignal.abort(given) });
    t.match(await outcome(before.write(1)), { code, failure: 'aborted' });
    t.match(await outcome(before.done), { code });

    const controller = new AbortController();
    const stuck = gate();
    const during = new Chain<number>([ordered(undefined, 1), sink(() => stuck.promise)], { signal: controller.signal });
    const writes = Array.from({ length: 10 }, (_, item) => outcome(during.write(item)));
    await turns();
    controller.abort(given);
    stuck.open();
    t.match(await outcome(during.done), { code });
    t.match((await Promise.all(writes)).at(-1), { code }, 'writes in progress settle');
    t.equal(getEventListeners(controller.signal, 'abort').length, 0);
  }
  const late = new AbortController();
  const after = new Chain<number>([step(), sink()], { signal: late.signal });
  await after.write(1);
  await after.end();
  late.abort();
  t.equal(await outcome(after.done), 'fulfilled');
  t.equal(getEventListeners(late.signal, 'abort').length, 0);
  await after.abort(new Error('too late'));
  t.equal(await outcome(after.done), 'fulfilled', 'what has ended well stays so');
});

t.test('write after the end is an error of its own and harms nothing', async (t) => {
  const work = gate();
  const seen: number[] = [];
  const chain = new Chain<number>([
    step(),
    sink(async (item) => {
      await work.promise;
      seen.push(item);
    }),
  ]);
  await chain.write(1);
  const end = chain.end();
  const write = outcome(chain.write(2));
  work.open();
  await end;
  t.match(await write, { code: 'VOST_PIPELINE_ENDED', failure: 'usage' });
  t.match(await outcome(chain.write(3)), { code: 'VOST_PIPELINE_ENDED' });
  t.strictSame(seen, [1]);
  await t.resolves(chain.end(), 'a second end too');
});

t.test('a stage that closes silently is a failure', async (t) => {
  for (const at of [0, 1, 2]) {
    const streams = [step(), ordered(), sink()] as const;
    const chain = new Chain<number>([...streams]);
    await chain.write(1);
    streams[at]?.destroy();
    t.match(await outcome(chain.done), { code: 'VOST_PIPELINE', failure: 'internal' });
    t.match(await outcome(chain.write(2)), { code: 'VOST_PIPELINE' });
  }
  const source = new PassThrough({ objectMode: true });
  const chain = new Chain<never>([source as Readable, sink()]);
  source.destroy();
  t.match(await outcome(chain.done), { code: 'VOST_PIPELINE' });
});

t.test('nobody has to listen to done', async (t) => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => {
    unhandled.push(error);
  };
  process.on('unhandledRejection', note);
  const chain = new Chain<number>([
    step(() => {
      throw new Error('unheard');
    }),
    sink(),
  ]);
  await t.rejects(chain.write(1), { message: 'unheard' });
  await turns();
  process.removeListener('unhandledRejection', note);
  t.strictSame(unhandled, []);
});

t.test('leases anywhere in the chain are released after teardown', async (t) => {
  for (const how of ['error', 'abort', 'end'] as const) {
    const scope = new LeaseScope();
    let held = 0;
    const stuck = gate();
    let lastClosed = false;
    interface Item {
      readonly lease: { release(): void };
    }
    const leasing = new StepTransform<number, Item>({
      name: 'leasing',
      step: (_item, emit) => {
        held += 1;
        const lease = scope.add(() => {
          t.ok(how === 'end' || lastClosed, 'memory is freed only when no stage works any more');
          held -= 1;
        });
        return emit({ lease });
      },
    });
    const last = new ParallelSink<Item>({
      name: 'sink',
      concurrency: () => 2,
      consume: async ({ lease }) => {
        if (how !== 'end') await stuck.promise;
        lease.release();
      },
    });
    last.on('close', () => {
      lastClosed = true;
    });
    const middle = new OrderedTransform<Item, Item>({ name: 'middle', concurrency: 3, transform: (item) => item });
    const chain = new Chain<number>([leasing, middle, last], { onClosed: () => scope.releaseAll() });
    const writes = Array.from({ length: 20 }, (_, item) => outcome(chain.write(item)));
    await turns();
    if (how === 'end') await chain.end();
    else {
      t.ok(held > 4);
      const root = new Error('root');
      if (how === 'abort') void chain.abort(root);
      stuck.fail(root);
      t.equal(await outcome(chain.done), root);
    }
    await Promise.all(writes);
    t.strictSame([held, scope.size], [0, 0], how);
  }
});

t.test('produced − consumed stays under the sum of marks and concurrencies', async (t) => {
  const generated = (produced: () => void) =>
    Readable.from(
      (async function* () {
        for (let item = 0; item < 500; item += 1) {
          produced();
          yield item;
        }
      })(),
      { highWaterMark: 1 },
    );
  const middles: [name: string, make: () => Duplex, bound: number][] = [
    ['sync steps', () => new StepTransform<number, number>({ name: 's', step: (item, emit) => emit(item) }), 2],
    ['async steps', () => step((item) => turns(1).then(() => item)), 2],
    ['ordered, sync', () => ordered(undefined, 4), 5],
    ['ordered, async', () => ordered((item) => turns(item % 3).then(() => item), 4), 5],
    ['plain Transform', plain, 2],
  ];
  const mixed = (): Duplex[] => middles.map(([, make]) => make());
  const rigs: [name: string, make: () => Duplex[], bound: number][] = [
    ...middles.map(([name, make, bound]): [string, () => Duplex[], number] => [name, () => [make()], bound]),
    ['all of them', mixed, middles.reduce((sum, [, , bound]) => sum + bound, 0)],
  ];
  const [SOURCE, SINK] = [2, 2];
  for (const [name, make, middle] of rigs) {
    let produced = 0;
    let consumed = 0;
    let most = 0;
    const open: (() => void)[] = [];
    const note = (): void => {
      most = Math.max(most, produced - consumed);
    };
    const last = sink(async () => {
      await new Promise<void>((resolve) => open.push(resolve));
      consumed += 1;
    }, 2);
    const source = generated(() => {
      produced += 1;
      note();
    });
    const chain = new Chain<never>([source, ...make(), last]);
    // A sink that stops, goes on a little, stops again, and runs free at the end.
    for (let pause = 0; pause < 10; pause += 1) {
      await turns(30);
      for (const resolve of open.splice(0)) resolve();
    }
    const stopped = produced;
    await turns(50);
    t.ok(produced < stopped + 4 && produced < 500, `${name}: a sink that stops stops the source`);
    const free = setInterval(() => {
      for (const resolve of open.splice(0)) resolve();
    }, 0);
    await chain.done;
    clearInterval(free);
    t.equal(consumed, 500);
    t.ok(most <= SOURCE + middle + SINK, `${name}: ${most} at most, bound ${SOURCE + middle + SINK}`);
    t.ok(most > 1);
  }
});

t.test('10,000 chains on one signal leave no listener and no warning', async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => {
    warnings.push(warning);
  };
  process.on('warning', note);
  const { signal } = new AbortController();
  let closes = 0;
  const onClosed = (): void => {
    closes += 1;
  };
  const failure = new Error('torn down');
  const one = async (nth: number): Promise<void> => {
    const chain = new Chain<number>([step(), ordered(), sink()], { signal, onClosed });
    await chain.write(nth);
    if (nth % 3 === 0) await chain.abort(failure);
    else await chain.end();
  };
  const batch = async (from: number, count: number): Promise<void> => {
    for (let nth = from; nth < from + count; nth += 5)
      await Promise.all([0, 1, 2, 3, 4].map((more) => one(nth + more)));
  };
  await batch(0, 2000);
  const before = heapUsed();
  await batch(2000, 8000);
  const growth = heapUsed() - before;
  await turns();
  process.removeListener('warning', note);
  t.equal(closes, 10_000);
  t.equal(getEventListeners(signal, 'abort').length, 0);
  t.strictSame(warnings, []);
  // 8,000 chains that stayed would weigh some 100 MiB.
  t.ok(growth < 8 * 2 ** 20, `${growth} bytes more`);
});

/** After a full collection, so that it tells what is reachable. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
