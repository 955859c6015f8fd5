import t, { type Test } from 'tap';
import { ChaosStorage } from '../../src/chaos/chaos-storage.ts';
import { type StorePlan, type StoreRule, storePlan } from '../../src/chaos/store-faults.ts';
import { parseStoreRates } from '../../src/chaos/store-rates.ts';
import { VirtualClock } from '../../src/chaos/virtual-clock.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import type { Storage } from '../../src/vast/store.ts';
import { storeConformance } from '../vast/store-conformance.ts';

/** The suite of all stores against memory behind chaos. */
async function conforms(t: Test, rules: readonly StoreRule[]): Promise<StorePlan> {
  const plan = storePlan(20_261_121, rules);
  const retry = { clock: new VirtualClock(1) };
  const wrap = (inner: Storage): Storage => new ChaosStorage(inner, plan, retry);
  await storeConformance(t, async () => {
    const state = new Map();
    return {
      storage: wrap(new MemoryStorage(state)),
      features: {
        reopen: () => wrap(new MemoryStorage(state)),
        partBytes: 65_536,
        streamPartBytes: 65_536,
        pageSize: 20,
        lockingLsu: async () => {
          const locking = wrap(new MemoryStorage(new Map(), { locks: true }));
          await locking.createLsu('locking');
          return locking.open('locking');
        },
      },
      cleanup: async () => undefined,
    };
  });
  return plan;
}

t.test('without faults it is the store below', async (t) => {
  const plan = await conforms(t, []);
  t.same(plan.events(), []);
});

t.test('under faults that pass it keeps the contract', async (t) => {
  const { rules } = parseStoreRates('1,error=0.1,throttle=0.1,delay=0.1,truncate=0.2');
  // An upload whose beginning was not heard of stays: only then is there more in a list than the caller knows.
  const operations = [
    'create-lsu',
    'put',
    'put-stream',
    'delete',
    'part',
    'complete',
    'abort',
    'copy',
    'lock',
  ] as const;
  const lost: StoreRule = { name: 'lost', operations, rate: 0.2, effect: { kind: 'lose-answer' } };
  const plan = await conforms(t, [...rules.filter(({ rate }) => rate !== 0), lost]);
  plan.verifyAllHit();
  t.ok(plan.events().length > 50, `${plan.events().length} faults`);
});
