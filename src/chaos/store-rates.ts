import type { RetrierOptions } from '../vast/retry.ts';
import type { Storage } from '../vast/store.ts';
import { ChaosStorage } from './chaos-storage.ts';
import { type FaultEvent, FaultPlan } from './fault-plan.ts';
import { parseRates } from './rates.ts';
import type { StoreEffect, StoreRule } from './store-faults.ts';

const KINDS = ['error', 'throttle', 'delay', 'truncate', 'corrupt', 'lose-answer'] as const;
type Kind = (typeof KINDS)[number];

const EFFECTS: Readonly<Record<Kind, StoreEffect>> = {
  error: { kind: 'error', failure: 'retryable' },
  throttle: { kind: 'throttle' },
  delay: { kind: 'delay', ms: 200 },
  truncate: { kind: 'truncate' },
  corrupt: { kind: 'corrupt' },
  'lose-answer': { kind: 'lose-answer' },
};

/** Nothing of it damages what is stored. */
const STANDARD: Readonly<Partial<Record<Kind, number>>> = {
  error: 0.01,
  throttle: 0.02,
  delay: 0.02,
  truncate: 0.01,
  'lose-answer': 0.01,
};

/**
 * The rules that the setting `chaos` stands for (docs/testing.md).
 *
 * @throws EngineError VOST_BAD_CHAOS (`usage`)
 */
export function parseStoreRates(text: string): { readonly seed: number; readonly rules: StoreRule[] } {
  const { seed, rates } = parseRates(text, KINDS, STANDARD);
  return { seed, rules: [...rates].map(([name, rate]) => ({ name, rate, effect: EFFECTS[name] })) };
}

/** The storage, with the faults of the setting `chaos` when there is one. */
export function withChaos(
  storage: Storage,
  text: string | undefined,
  retry: RetrierOptions,
  onHit: (event: FaultEvent<StoreEffect>) => void,
): Storage {
  if (text === undefined) return storage;
  const { seed, rules } = parseStoreRates(text);
  return new ChaosStorage(storage, new FaultPlan<StoreEffect, StoreRule>(seed, rules, onHit), retry);
}
