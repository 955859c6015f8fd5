import { EngineError, type FailureClass } from '../errors.ts';
import { Retrier, type RetrierOptions, type RetryClock, systemClock } from '../vast/retry.ts';
import type { RequestOptions } from '../vast/store.ts';
import { type DueFault, FaultPlan, type FaultRule } from './fault-plan.ts';
import type { Steps } from './kill-switch.ts';

/** What can be done to a storage, as faults see it. */
export type Operation =
  | 'lsus'
  | 'create-lsu'
  | 'open'
  | 'put'
  | 'put-stream'
  | 'read'
  | 'head'
  | 'list'
  | 'list-folders'
  | 'delete'
  | 'create-upload'
  | 'part'
  | 'list-parts'
  | 'complete'
  | 'abort'
  | 'list-uploads'
  | 'copy'
  | 'policy'
  | 'lock-status'
  | 'locked-until'
  | 'lock'
  | 'hidden'
  | 'purge';

/**
 * - `error`: fails with this class; nothing is done.
 * - `throttle`: fails as an overloaded server makes it fail (`retryable`); nothing is done.
 * - `delay`: waits, milliseconds, then goes on.
 * - `truncate`: the connection breaks amid the bytes (`retryable`): a read has filled a part of its memory, a write has stored nothing.
 * - `corrupt`: one bit of what is read, or of what is stored, is another, and nobody says so.
 * - `lose-answer`: carried out, but the answer does not arrive (`retryable`).
 */
export type StoreEffect =
  | { readonly kind: 'error'; readonly failure: FailureClass }
  | { readonly kind: 'throttle' | 'truncate' | 'corrupt' | 'lose-answer' }
  | { readonly kind: 'delay'; readonly ms: number };

/** Which operations a fault applies to: all conditions that are given must hold, and the effect must be possible there. */
export interface StoreRule extends FaultRule<StoreEffect> {
  readonly operations?: readonly Operation[];
  /** What the key looks like; for `delete`, `lock` and `purge` the first one. */
  readonly key?: RegExp;
  /** Number of the part, from 1. */
  readonly part?: number;
}

export type StorePlan = FaultPlan<StoreEffect, StoreRule>;

const PAYLOAD: readonly Operation[] = ['read', 'put', 'put-stream', 'part'];
const CHANGES: readonly Operation[] = [
  'create-lsu',
  'put',
  'put-stream',
  'delete',
  'create-upload',
  'part',
  'complete',
  'abort',
  'copy',
  'lock',
  'purge',
];

function possible(effect: StoreEffect, operation: Operation): boolean {
  if (effect.kind === 'truncate' || effect.kind === 'corrupt') return PAYLOAD.includes(operation);
  return effect.kind !== 'lose-answer' || CHANGES.includes(operation);
}

/** A plan for {@link ChaosStorage} and {@link ChaosStore}. */
export function storePlan(seed: number, rules: readonly StoreRule[]): StorePlan {
  return new FaultPlan<StoreEffect, StoreRule>(seed, rules);
}

/** One operation that may meet faults. */
export interface Site {
  readonly operation: Operation;
  readonly key: string;
  readonly part?: number;
  /** Payload, bytes. */
  readonly bytes?: number;
}

/** What an attempt has to do to its own bytes: where in them, in [0, 1). */
export interface Damage {
  readonly truncate: number | undefined;
  readonly corrupt: number | undefined;
}

/** How the store below answered. Its failures are final: it has retried already. */
type Answer<T> = { readonly value: T } | { readonly error: unknown };

/** Runs operations under a plan, and repeats what met a fault as the stores do: every attempt meets the faults of its own turn. */
export class StoreFaults {
  readonly #plan: StorePlan;
  readonly #retrier: Retrier;
  readonly #clock: RetryClock;
  readonly #steps: Steps | undefined;

  /** @param steps hears of each operation before it is asked for and when it has been carried out. */
  constructor(plan: StorePlan, retry: RetrierOptions, steps?: Steps) {
    this.#plan = plan;
    this.#steps = steps;
    this.#retrier = new Retrier(retry);
    this.#clock = retry.clock ?? systemClock;
  }

  async run<T>(site: Site, { signal }: RequestOptions, attempt: (damage: Damage) => Promise<T>): Promise<T> {
    const { operation, key, bytes = 0 } = site;
    const answer = await this.#retrier.run({ operation, bytes, key, signal }, async () => {
      const faults = this.#plan.draw(nameOf(site), (rule) => matches(rule, site));
      for (const { effect, hit } of faults) {
        if (effect.kind === 'delay') {
          hit();
          await this.#clock.sleep(effect.ms, signal);
        }
      }
      // At most one more: what failed cannot fail in another way.
      const fault = faults.find(({ effect }) => effect.kind !== 'delay');
      const ask = async (damage: Damage): Promise<Answer<T>> => {
        this.#steps?.step(`before:${kindOf(site)}`);
        try {
          const value = await attempt(damage);
          this.#steps?.step(`after:${kindOf(site)}`);
          return { value };
        } catch (error) {
          return { error };
        }
      };
      return fault === undefined ? ask(UNHARMED) : meet(fault, site, ask);
    });
    if ('error' in answer) throw answer.error;
    return answer.value;
  }
}

const UNHARMED: Damage = { truncate: undefined, corrupt: undefined };

/** An answer of the store below that is a failure comes through: then the fault has not happened. */
async function meet<T>(
  { effect, share, hit }: DueFault<StoreEffect>,
  site: Site,
  ask: (damage: Damage) => Promise<Answer<T>>,
): Promise<Answer<T>> {
  if (effect.kind === 'error' || effect.kind === 'throttle') {
    hit();
    throw failure(site, effect.kind === 'error' ? effect.failure : 'retryable', effect.kind);
  }
  if (effect.kind === 'truncate' && site.operation !== 'read') {
    hit();
    throw failure(site, 'retryable', effect.kind);
  }
  const answer = await ask({ ...UNHARMED, ...(effect.kind === 'lose-answer' ? {} : { [effect.kind]: share }) });
  if ('error' in answer) return answer;
  hit();
  if (effect.kind === 'corrupt') return answer;
  throw failure(site, 'retryable', effect.kind);
}

function matches({ operations, key, part, effect }: StoreRule, site: Site): boolean {
  return (
    (operations === undefined || operations.includes(site.operation)) &&
    (key === undefined || key.test(site.key)) &&
    (part === undefined || part === site.part) &&
    possible(effect, site.operation)
  );
}

function nameOf({ operation, key, part }: Site): string {
  return part === undefined ? `${operation} ${key}` : `${operation} ${key} ${part}`;
}

/** Operation, and what kind of object: `part:fragment`, `put:image.meta`. */
function kindOf({ operation, key }: Site): string {
  const name = /([a-z.]+?)[-0-9]*(?:\.[0-9]{6}-[0-9a-f]{12})?$/.exec(key)?.[1];
  return name === undefined ? operation : `${operation}:${name}`;
}

function failure(site: Site, kind: FailureClass, how: string): EngineError {
  return new EngineError('VOST_CHAOS', kind, `a planned fault (${how}) met ${nameOf(site)}`, {
    advice: 'faults are switched on: remove the setting chaos unless this is a test',
  });
}

/** One bit of the bytes becomes another; nothing when there are none. */
export function flipBit(bytes: Uint8Array, share: number): void {
  const bit = share * bytes.byteLength * 8;
  const at = Math.floor(bit / 8);
  const old = bytes[at];
  if (old !== undefined) bytes[at] = old ^ (1 << (Math.floor(bit) % 8));
}

/** The pieces in new memory, one bit of them another. */
export function flippedCopy(body: readonly Uint8Array[], share: number): Uint8Array[] {
  const copy = new Uint8Array(Buffer.concat(body));
  flipBit(copy, share);
  return [copy];
}
