import t, { type Test } from 'tap';
import { ChaosStore } from '../../src/chaos/chaos-store.ts';
import {
  type Operation,
  type StoreEffect,
  type StorePlan,
  type StoreRule,
  storePlan,
} from '../../src/chaos/store-faults.ts';
import { VirtualClock } from '../../src/chaos/virtual-clock.ts';
import { EngineError, type FailureClass, failureOf } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { openReadHandle } from '../../src/image/read-handle.ts';
import type { RetrierOptions } from '../../src/vast/retry.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { context, feed, layout, Slots } from '../image/handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, readImage, testResources } from '../image/support.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';

// What a server can do wrong × where in a backup × how often. Every row is run twice, to see that its seed decides everything.

const DATA = randomBytes(2 * MIB + 512, 'matrix');
const IMAGE = imageIdOf(identity('x'));

/** Where in a backup. */
interface Point {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly key?: RegExp;
  readonly part?: number;
}

const POINTS: readonly Point[] = [
  { name: 'beginning the fence', operations: ['create-upload'], key: /\/image\.meta$/ },
  { name: 'looking for others', operations: ['list-uploads'], key: /\/image\.meta$/ },
  { name: 'looking for the image', operations: ['list'], key: /\/$/ },
  { name: 'the claim', operations: ['put'], key: /\/pending/ },
  { name: 'beginning an upload', operations: ['create-upload'], key: /fragment/ },
  { name: 'the first part', operations: ['part'], part: 1, key: /fragment/ },
  { name: 'the last part', operations: ['part'], part: 2 },
  { name: 'completing an upload', operations: ['complete'], key: /fragment/ },
  { name: 'the index', operations: ['put', 'put-stream'], key: /\/index$/ },
  { name: 'the manifest', operations: ['part'], key: /\/image\.meta$/ },
  { name: 'the commit', operations: ['complete'], key: /\/image\.meta$/ },
  { name: 'clearing up', operations: ['delete'] },
];

/** What the server does, and what must come of it: `ok`, or a failure of a class. */
interface Row {
  readonly name: string;
  readonly says: () => void;
  readonly effect: StoreEffect;
  readonly counts: readonly number[];
  readonly outcome: 'ok' | FailureClass;
  readonly retry?: RetrierOptions;
  readonly points?: readonly Point[];
  readonly minSeconds?: number;
}

const ALWAYS = Number.POSITIVE_INFINITY;
const refreshed: RetrierOptions = { refresh: async () => undefined };
const changes = POINTS.filter(({ name }) => !name.startsWith('looking'));

const ROWS: readonly Row[] = [
  {
    name: '1 SlowDown, then ok',
    says: () =>
      promise({
        row: '1',
        promise: 'A backup goes on over requests that were turned away',
        fault: 'throttle: each step of a backup, once and three times',
      }),
    effect: { kind: 'throttle' },
    counts: [1, 3],
    outcome: 'ok',
  },
  {
    name: '2 SlowDown for a minute',
    says: () =>
      promise({
        row: '2',
        promise: 'A backup outlasts a minute of an overloaded server',
        fault: 'throttle 15 times: each step, virtual time',
      }),
    effect: { kind: 'throttle' },
    counts: [15],
    outcome: 'ok',
    minSeconds: 60,
  },
  {
    name: '2 SlowDown for ever',
    says: () =>
      promise({
        row: '2',
        promise: 'Whoever stays overloaded fails the backup after its time, without a visible image',
        fault: 'throttle always: each step, virtual time',
      }),
    effect: { kind: 'throttle' },
    counts: [ALWAYS],
    outcome: 'retryable',
    minSeconds: 60,
  },
  {
    name: '3 the connection breaks amid the body',
    says: () =>
      promise({
        row: '3',
        promise: 'Bytes that were cut off are sent again',
        fault: 'truncate: every body of a backup, once and three times',
      }),
    effect: { kind: 'truncate' },
    counts: [1, 3],
    outcome: 'ok',
    points: POINTS.filter(({ operations }) => operations.some((one) => ['put', 'part'].includes(one))),
  },
  {
    name: '4 done, the answer lost',
    says: () =>
      promise({
        row: '4',
        promise: 'What was done but not answered is neither lost nor done twice',
        fault: 'lose-answer: each change, once and three times',
      }),
    effect: { kind: 'lose-answer' },
    counts: [1, 3],
    outcome: 'ok',
    points: changes,
  },
  {
    name: '4 done, every answer lost',
    says: () =>
      promise({
        row: '4',
        promise: 'Without a single answer the failure is told and gc finds all of it',
        fault: 'lose-answer always: each change',
      }),
    effect: { kind: 'lose-answer' },
    counts: [ALWAYS],
    outcome: 'retryable',
    points: changes,
  },
  {
    name: '5 a slow server',
    says: () =>
      promise({
        row: '5',
        promise: 'A slow server makes a backup slow, nothing else',
        fault: 'delay of 20 s: each step, virtual time',
      }),
    effect: { kind: 'delay', ms: 20_000 },
    counts: [3],
    outcome: 'ok',
  },
  {
    name: '11 ExpiredToken, then refreshed',
    says: () =>
      promise({
        row: '11',
        promise: 'Credentials that expire in mid-backup are taken anew',
        fault: 'error credentials once, with a refresh: each step',
      }),
    effect: { kind: 'error', failure: 'credentials' },
    counts: [1],
    outcome: 'ok',
    retry: refreshed,
  },
  {
    name: '11 ExpiredToken that stays',
    says: () =>
      promise({
        row: '11',
        promise: 'Credentials that stay refused fail the backup as such',
        fault: 'error credentials always: each step',
      }),
    effect: { kind: 'error', failure: 'credentials' },
    counts: [ALWAYS],
    outcome: 'credentials',
    retry: refreshed,
  },
  {
    name: '11 AccessDenied',
    says: () =>
      promise({ row: '11', promise: 'What access forbids fails at once as such', fault: 'error access: each step' }),
    effect: { kind: 'error', failure: 'access' },
    counts: [1, ALWAYS],
    outcome: 'access',
  },
  {
    name: '14 no space',
    says: () =>
      promise({
        row: '14',
        promise: 'A full storage fails the backup as full, leaves no image and holds nothing',
        fault: 'error capacity: each step',
      }),
    effect: { kind: 'error', failure: 'capacity' },
    counts: [1, ALWAYS],
    outcome: 'capacity',
  },
  {
    name: '14 EIO',
    says: () =>
      promise({
        row: '14',
        promise: 'A broken storage fails the backup, leaves no image and holds nothing',
        fault: 'error internal: each step',
      }),
    effect: { kind: 'error', failure: 'internal' },
    counts: [1, ALWAYS],
    outcome: 'internal',
  },
  {
    name: '8 BadDigest, then ok',
    says: () =>
      promise({
        row: '8',
        promise: 'A body that arrived damaged is sent again',
        fault: 'error integrity once: each step',
      }),
    effect: { kind: 'error', failure: 'integrity' },
    counts: [1],
    outcome: 'ok',
  },
  {
    name: '8 BadDigest always',
    says: () =>
      promise({
        row: '8',
        promise: 'A body that always arrives damaged fails the backup as damaged',
        fault: 'error integrity always: each step',
      }),
    effect: { kind: 'error', failure: 'integrity' },
    counts: [ALWAYS],
    outcome: 'integrity',
  },
];

/** Clearing up comes after the image is there: its failure is no failure of the backup. */
const expected = (row: Row, point: Point): Row['outcome'] => (point.name === 'clearing up' ? 'ok' : row.outcome);

async function garbage(store: ObjectStore): Promise<string[]> {
  const options = { olderThanMs: 0, pendingOlderThanMs: 0, dryRun: false, now: Date.now() + 1000 };
  const found: string[] = [];
  for await (const { kind, key } of collectGarbage(store, options)) found.push(`${kind} ${key}`);
  return found;
}

async function backUp(t: Test, store: ObjectStore): Promise<unknown> {
  const resources = testResources(t);
  const slots = new Slots(3);
  try {
    const handle = await createWriteHandle(context(store, resources), layout(resources, 'x'));
    const failed = new Promise<void>((resolve) => handle.onFailure(() => resolve()));
    await Promise.race([feed(handle, slots, DATA), failed]);
    await handle.close('complete', DATA.byteLength);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    if (resources.budget.used !== 0) t.fail(`${resources.budget.used} bytes of memory are held`);
    if (slots.full.size !== 0) t.fail(`slots ${[...slots.full.keys()]} are held`);
  }
}

/** Nothing of a backup is left but what gc names, and the image can be written (again) and read. */
async function leavesNoTrace(t: Test, inner: ObjectStore, plan: StorePlan, error: unknown): Promise<void> {
  const resources = testResources(t);
  t.same(await orphans(inner), [], 'what is left is of an image, or gc names it');
  const images = [];
  for await (const entry of listImages(inner)) images.push(entry.state);
  const visible = images.includes('complete');
  // Only whoever never hears an answer can be told of a failure while the image is there.
  const inDoubt = plan.events().some(({ effect }) => effect.kind === 'lose-answer');
  if (error !== undefined && !inDoubt) t.notOk(visible, 'no image is visible after a failure');
  await garbage(inner);
  const uploads = [];
  for await (const { key } of inner.listUploads('')) uploads.push(key);
  t.same(uploads, [], 'gc leaves no upload');
  if (!visible) {
    t.same(await keysOf(inner), [], 'gc leaves no object');
    t.equal(await backUp(t, inner), undefined, 'then it can be written');
  }
  t.ok((await readImage(inner, resources, IMAGE)).equals(DATA), 'the stored bytes are those of the source');
}

async function runRow(t: Test, row: Row, point: Point, count: number): Promise<StorePlan> {
  const inner = await memoryLsu({ minPartBytes: 1 });
  const { name, ...where } = point;
  const rule: StoreRule = { name, ...where, count, effect: row.effect };
  const plan = storePlan(1, [rule]);
  const clock = new VirtualClock(1);
  const steady = { now: () => clock.now(), sleep: clock.sleep.bind(clock), random: () => 0.9 };
  const store = new ChaosStore(inner, plan, { policy: { budgetMs: 300_000 }, ...row.retry, clock: steady });
  const error = await backUp(t, store);
  const outcome = expected(row, point);
  t.equal(error === undefined ? 'ok' : failureOf(error), outcome, error instanceof Error ? error.message : 'no error');
  plan.verifyAllHit();
  if (row.minSeconds !== undefined) t.ok(clock.now() >= row.minSeconds * 1000, `${clock.now()} ms`);
  if (outcome === 'ok') t.ok((await readImage(inner, testResources(t), IMAGE)).equals(DATA));
  await leavesNoTrace(t, inner, plan, error);
  return plan;
}

for (const row of ROWS) {
  t.test(row.name, async (t) => {
    row.says();
    for (const point of row.points ?? POINTS) {
      for (const count of row.counts) {
        await t.test(`${point.name}, ${count === ALWAYS ? 'always' : `${count} times`}`, async (t) => {
          const plan = await runRow(t, row, point, count);
          if (count !== row.counts.at(-1)) return;
          const again = await runRow(t, row, point, count);
          t.same(again.events(), plan.events(), 'the same seed, the same faults');
        });
      }
    }
  });
}

t.test('17 the clean-up after a failure fails as well: the first error is told, gc does the rest', async (t) => {
  promise({
    row: '17',
    promise: 'The first error is the one that is told, and gc removes what clearing up could not',
    fault: 'a full storage in mid-upload, whose aborts and deletions fail too',
  });
  for (const operations of [['abort'], ['delete'], ['abort', 'delete']] as const) {
    const inner = await memoryLsu({ minPartBytes: 1 });
    const plan = storePlan(1, [
      { name: 'full', operations: ['part'], after: 1, effect: { kind: 'error', failure: 'capacity' } },
      { name: 'stuck', operations, effect: { kind: 'error', failure: 'access' } },
    ]);
    const error = await backUp(t, new ChaosStore(inner, plan, { clock: new VirtualClock(1) }));
    t.equal(failureOf(error), 'capacity');
    await leavesNoTrace(t, inner, plan, error);
  }
});

/** Read the image with a handle; the bytes or the error. */
async function readBack(t: Test, store: ObjectStore): Promise<Buffer | EngineError> {
  const resources = testResources(t);
  try {
    const handle = await openReadHandle(context(store, resources), identity('x'));
    try {
      const into = Buffer.alloc(4 * MIB);
      const { length, start } = await handle.read(0, DATA.byteLength, into, true);
      t.same({ start, length }, { start: 0, length: DATA.byteLength });
      return into.subarray(0, length);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
}

t.test('9 a bit that changes between hash and store is found by the reader, and named', async (t) => {
  promise({
    row: '9',
    promise: 'What was stored other than it was digested is never read as the image, and the image is named',
    fault: 'corrupt: one bit of a part, of the index, of the manifest on its way to the store',
  });
  for (const key of [/fragment/, /index$/, /image\.meta$/]) {
    for (const seed of [1, 2, 3]) {
      const inner = await memoryLsu({ minPartBytes: 1 });
      const operations = ['put', 'part', 'put-stream'] as const;
      const plan = storePlan(seed, [{ operations, key, count: 1, effect: { kind: 'corrupt' } }]);
      t.equal(await backUp(t, new ChaosStore(inner, plan)), undefined);
      plan.verifyAllHit();
      const read = await readBack(t, inner);
      // What a manifest says for people only has no digest: the bytes are right all the same.
      if (!(read instanceof EngineError)) t.ok(key.source.includes('meta') && read.equals(DATA), key.source);
      else {
        t.equal(read.failure, 'integrity', read.message);
        t.match(read.message, IMAGE.slice(0, 8), 'the image is named');
      }
    }
  }
});

t.test('8 a bit that changes while it is read is never taken for the image', async (t) => {
  promise({
    row: '8',
    promise: 'A restore never gives wrong bytes: it says so',
    fault: 'corrupt: one bit of what is read of fragment, index, manifest, once and always',
  });
  const inner = await memoryLsu({ minPartBytes: 1 });
  t.equal(await backUp(t, inner), undefined);
  for (const key of [/fragment/, /index$/, /image\.meta$/]) {
    for (const count of [1, ALWAYS]) {
      for (const seed of [1, 2, 3]) {
        const plan = storePlan(seed, [{ operations: ['read'], key, count, effect: { kind: 'corrupt' } }]);
        const read = await readBack(t, new ChaosStore(inner, plan));
        plan.verifyAllHit();
        if (read instanceof EngineError) t.equal(read.failure, 'integrity', read.message);
        else t.ok(read.equals(DATA), 'or it was read again');
        if (count === ALWAYS && key.source === 'fragment') t.type(read, EngineError);
      }
    }
  }
});

t.test('reading goes on where the server lets it', async (t) => {
  promise({
    row: '3',
    promise: 'A restore goes on over breaks that pass, and fails as what stopped it',
    fault: 'throttle, truncate, delay, access: reading fragment, index, manifest',
  });
  const inner = await memoryLsu({ minPartBytes: 1 });
  t.equal(await backUp(t, inner), undefined);
  const rows: [StoreEffect, number, string][] = [
    [{ kind: 'throttle' }, 3, 'ok'],
    [{ kind: 'truncate' }, 3, 'ok'],
    [{ kind: 'delay', ms: 20_000 }, ALWAYS, 'ok'],
    [{ kind: 'throttle' }, ALWAYS, 'retryable'],
    [{ kind: 'truncate' }, ALWAYS, 'retryable'],
    [{ kind: 'error', failure: 'access' }, 1, 'access'],
  ];
  for (const [effect, count, outcome] of rows) {
    for (const key of [/fragment/, /index$/, /image\.meta$/]) {
      const plan = storePlan(1, [{ operations: ['read'], key, count, effect }]);
      const read = await readBack(t, new ChaosStore(inner, plan, { clock: new VirtualClock(1) }));
      plan.verifyAllHit();
      t.equal(read instanceof EngineError ? read.failure : 'ok', outcome, `${effect.kind} of ${key}`);
      if (!(read instanceof EngineError)) t.ok(read.equals(DATA));
    }
  }
});
