import t from 'tap';
import { ChaosStorage } from '../../src/chaos/chaos-storage.ts';
import { ChaosStore } from '../../src/chaos/chaos-store.ts';
import { type StoreEffect, type StoreRule, storePlan } from '../../src/chaos/store-faults.ts';
import { parseStoreRates, withChaos } from '../../src/chaos/store-rates.ts';
import { VirtualClock } from '../../src/chaos/virtual-clock.ts';
import { EngineError } from '../../src/errors.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { refusal } from '../support/refusal.ts';

const ONCE = { policy: { retries: 0 } };
const bytes = Buffer.from('0123456789');

async function stores(rules: readonly StoreRule[], retry: object = ONCE) {
  const storage = new MemoryStorage();
  await storage.createLsu('lsu');
  const inner = await storage.open('lsu');
  const plan = storePlan(3, rules);
  return { inner, plan, store: new ChaosStore(inner, plan, retry) as ObjectStore };
}

async function textOf(store: ObjectStore, key: string): Promise<string> {
  const into = Buffer.alloc(bytes.byteLength);
  await store.read(key, 0, into);
  return into.toString('latin1');
}

const bitsThatDiffer = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, byte, at) => sum + (byte ^ (b[at] ?? 0)).toString(2).replaceAll('0', '').length, 0);

t.test('what fails before it is done, and what is done though the answer is lost', async (t) => {
  const kinds: [StoreEffect, done: boolean][] = [
    [{ kind: 'error', failure: 'retryable' }, false],
    [{ kind: 'throttle' }, false],
    [{ kind: 'truncate' }, false],
    [{ kind: 'lose-answer' }, true],
  ];
  for (const [effect, done] of kinds) {
    const { inner, plan, store } = await stores([{ effect }]);
    await t.rejects(store.put('a', [bytes]), refusal('retryable', { code: 'VOST_CHAOS' }));
    t.equal((await inner.head('a')) !== undefined, done, effect.kind);
    plan.verifyAllHit();
  }
});

t.test('errors keep their class and are final when they are', async (t) => {
  const { plan, store } = await stores([{ effect: { kind: 'error', failure: 'access' } }], {
    clock: new VirtualClock(1),
  });
  await t.rejects(store.head('a'), refusal('access', { code: 'VOST_CHAOS' }));
  t.equal(plan.events().length, 1);
});

t.test('a fault that passes is not seen, but for the time it takes', async (t) => {
  const clock = new VirtualClock(1);
  const rules: StoreRule[] = [
    { name: 'busy', operations: ['put'], count: 6, effect: { kind: 'throttle' } },
    { name: 'lost', operations: ['complete'], count: 1, effect: { kind: 'lose-answer' } },
    { name: 'slow', operations: ['create-upload'], effect: { kind: 'delay', ms: 60_000 } },
  ];
  const { plan, store } = await stores(rules, { clock });
  await store.put('a', [bytes]);
  const upload = await store.createUpload('b');
  const part = await upload.putPart({ number: 1, offset: 0, body: [bytes], size: 10 });
  t.equal((await upload.complete([part])).size, 10);
  t.equal(await textOf(store, 'b'), '0123456789');
  t.ok(clock.now() > 60_000);
  t.same(plan.hits(), { busy: 6, lost: 1, slow: 1 });
});

t.test('a store that stays busy fails when the time is over', async (t) => {
  const clock = new VirtualClock(1);
  const { store } = await stores([{ effect: { kind: 'throttle' } }], { clock });
  await t.rejects(store.put('a', [bytes]), refusal('retryable', { message: /tried \d+ times/ }));
  t.ok(clock.now() > 60_000, `${clock.now()} ms`);
});

t.test("one bit of what is read or stored is another; the caller's memory stays as it is", async (t) => {
  const operations = ['read', 'put', 'part', 'put-stream'] as const;
  for (const operation of operations) {
    const { inner, plan, store } = await stores([{ operations: [operation], effect: { kind: 'corrupt' } }]);
    const source = Buffer.from(bytes);
    if (operation === 'part') {
      const upload = await store.createUpload('a');
      await upload.complete([await upload.putPart({ number: 1, offset: 0, body: [source], size: 10 })]);
    } else if (operation === 'put-stream') {
      await store.putStream('a', [source.subarray(0, 0), source.subarray(0, 4), source.subarray(4)] as never);
    } else await store.put('a', [source.subarray(0, 3), source.subarray(3)]);
    const [seen, stored] = [Buffer.alloc(10), Buffer.alloc(10)];
    await store.read('a', 0, seen);
    await inner.read('a', 0, stored);
    t.equal(bitsThatDiffer(seen, bytes), 1, operation);
    t.equal(bitsThatDiffer(stored, bytes), operation === 'read' ? 0 : 1);
    t.same(source, bytes);
    plan.verifyAllHit();
  }
});

t.test('a read that breaks off has filled some of its memory', async (t) => {
  const { inner, plan, store } = await stores([{ effect: { kind: 'truncate' } }]);
  await inner.put('a', [bytes]);
  const into = Buffer.alloc(10, '-');
  await t.rejects(store.read('a', 0, into), refusal('retryable'));
  t.match(into.toString('latin1'), /^[0-9]*-+$/);
  plan.verifyAllHit();
});

t.test('lists fail before their first entry or are whole', async (t) => {
  const clock = new VirtualClock(1);
  const { inner, plan, store } = await stores([{ operations: ['list'], count: 3, effect: { kind: 'throttle' } }], {
    clock,
  });
  for (const key of ['a', 'b', 'c']) await inner.put(key, [bytes]);
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  t.same(keys, ['a', 'b', 'c']);
  t.same(plan.hits(), { 1: 3 });
});

t.test('failures of the store below come through at once and unchanged', async (t) => {
  const { inner, plan } = await stores([{ effect: { kind: 'lose-answer' } }]);
  const fault = new EngineError('VOST_TEST', 'retryable', 'below');
  let calls = 0;
  const below = Object.create(inner, {
    put: {
      value: async () => {
        calls += 1;
        throw fault;
      },
    },
  }) as ObjectStore;
  const store = new ChaosStore(below, plan, { clock: new VirtualClock(1) });
  t.equal(await store.put('a', [bytes]).catch((error: unknown) => error), fault);
  t.equal(calls, 1, 'the store below has its own retries');
  t.same(plan.events(), [], 'no answer was lost');
});

t.test('keys choose', async (t) => {
  const { plan, store } = await stores([{ key: /index$/, effect: { kind: 'throttle' } }]);
  await store.put('x/data', [bytes]);
  await t.rejects(store.put('x/index', [bytes]), refusal('retryable'));
  t.match(plan.events(), [{ site: 'put x/index', turn: 1 }]);
});

t.test('an abort ends a delay', async (t) => {
  const { store } = await stores([{ effect: { kind: 'delay', ms: 1e9 } }]);
  const controller = new AbortController();
  const waiting = store.put('a', [bytes], { signal: controller.signal });
  controller.abort(new EngineError('VOST_INTERRUPTED', 'aborted', 'stopped'));
  await t.rejects(waiting, refusal('aborted', { code: 'VOST_INTERRUPTED' }));
});

t.test('the setting', async (t) => {
  const { seed, rules } = parseStoreRates('42, corrupt=0.25,throttle=1');
  t.equal(seed, 42);
  t.match(rules, [
    { name: 'corrupt', rate: 0.25, effect: { kind: 'corrupt' } },
    { name: 'throttle', rate: 1, effect: { kind: 'throttle' } },
  ]);
  t.equal(parseStoreRates('7').rules.find(({ name }) => name === 'corrupt')?.rate, 0, 'nothing is damaged unasked');
  for (const text of ['', 'x', '1,error', '1,error=2', '1,none=0.1', '1,error=0.1,error=0.2', '1,error=0.1=1', '-1'])
    t.throws(() => parseStoreRates(text), refusal('usage', { code: 'VOST_BAD_CHAOS' }), text);
  const storage = new MemoryStorage();
  t.equal(
    withChaos(storage, undefined, {}, () => undefined),
    storage,
  );
  const seen: string[] = [];
  const wrapped = withChaos(storage, '1,delay=1', { clock: new VirtualClock(1) }, ({ rule }) => seen.push(rule));
  t.ok(wrapped instanceof ChaosStorage);
  await wrapped.createLsu('lsu');
  t.same(await wrapped.lsus(), ['lsu']);
  t.same(seen, ['delay', 'delay']);
});
