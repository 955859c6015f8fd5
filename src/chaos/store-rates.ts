import { EngineError } from '../errors.ts';
import type { RetrierOptions } from '../vast/retry.ts';
import type { Storage } from '../vast/store.ts';
import { ChaosStorage } from './chaos-storage.ts';
import { type FaultEvent, FaultPlan } from './fault-plan.ts';
import { type KillPoint, KillSwitch, parseKillPoint, type Steps } from './kill-switch.ts';
import { parseRates } from './rates.ts';
import type { StoreEffect, StoreRule } from './store-faults.ts';

const KINDS = ['error', 'throttle', 'delay', 'truncate', 'corrupt', 'lose-answer'] as const;
type Kind = (typeof KINDS)[number];
const KILL = 'kill-at=';

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
 * The rules that the setting `chaos` stands for, and where this process is to end (docs/testing.md).
 *
 * @throws EngineError VOST_BAD_CHAOS (`usage`)
 */
export function parseStoreRates(text: string): {
  readonly seed: number;
  readonly rules: StoreRule[];
  readonly kill: KillPoint | undefined;
} {
  const parts = text.split(',').map((part) => part.trim());
  const kills = parts.filter((part) => part.startsWith(KILL));
  const { seed, rates } = parseRates(parts.filter((part) => !kills.includes(part)).join(), KINDS, STANDARD);
  const [kill] = kills.map((part) => parseKillPoint(part.slice(KILL.length)));
  if (kills.length > 1 || (kills.length > 0 && kill === undefined)) {
    const advice =
      'kill-at is N, or WHEN:WHAT[:NAME][#N] with WHEN before, amid or after, once; docs/testing.md has more';
    throw new EngineError('VOST_BAD_CHAOS', 'usage', `'${kills.join()}' names no point to die at`, { advice });
  }
  // A seed and a point alone: nothing else happens.
  const rules = kill !== undefined && parts.length === 2 ? [] : [...rates];
  return { seed, rules: rules.map(([name, rate]) => ({ name, rate, effect: EFFECTS[name] })), kill };
}

let armed: { readonly text: string; readonly steps: Steps | undefined } | undefined;

/** The kill switch of this process as the setting `chaos` wants it: one, however many storages there are. */
export function killSwitchOf(text: string | undefined): Steps | undefined {
  if (text === undefined) return undefined;
  if (armed?.text !== text) {
    const { kill } = parseStoreRates(text);
    armed = { text, steps: kill && new KillSwitch(kill) };
  }
  return armed.steps;
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
  const plan = new FaultPlan<StoreEffect, StoreRule>(seed, rules, onHit);
  return new ChaosStorage(storage, plan, retry, killSwitchOf(text));
}
