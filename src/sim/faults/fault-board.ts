import type { EventLog } from './event-log.ts';
import { type Effect, type FaultModes, type FaultPlan, type FaultRule, faultModes, faultPlan } from './plan.ts';
import { seededRandom } from './random.ts';

/** What rules are matched with. */
export interface FaultTarget {
  readonly where: 'vms' | 's3';
  readonly method: string;
  readonly path: string;
  readonly operation?: string;
  readonly bucket?: string;
  readonly vip?: string;
}

interface ActiveRule {
  readonly rule: FaultRule;
  matched: number;
  hit: number;
}

/** The faults that are on, and the modes. What they do is decided by the seed and the order of requests alone. */
export class FaultBoard {
  readonly #log: EventLog;
  #seed: number;
  #random: () => number;
  #rules: ActiveRule[] = [];
  #modes: FaultModes;

  constructor(log: EventLog, seed: number) {
    this.#log = log;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#modes = faultModes.parse({});
  }

  get modes(): FaultModes {
    return this.#modes;
  }

  /** Change faults; throws a ZodError when the plan is not one. Gives what is on now. */
  apply(input: FaultPlan): ReturnType<FaultBoard['show']> {
    const { seed, rules, modes } = faultPlan.parse(input);
    if (seed !== undefined) {
      this.#seed = seed;
      this.#random = seededRandom(seed);
    }
    if (rules !== undefined) this.#rules = rules.map((rule) => ({ rule, matched: 0, hit: 0 }));
    // Only what the caller named: parsing fills in the defaults of the rest.
    const named = Object.keys(input.modes ?? {});
    const changed = Object.entries(modes ?? {}).filter(([name]) => named.includes(name));
    this.#modes = { ...this.#modes, ...Object.fromEntries(changed) };
    this.#log.add('admin', 'faults', { rules: this.#rules.length, modes: Object.fromEntries(changed) });
    return this.show();
  }

  /** Rules with how many requests they matched and met. */
  show() {
    const rules = this.#rules.map(({ rule, matched, hit }) => ({ ...rule, matched, hit }));
    return { seed: this.#seed, rules, modes: this.#modes };
  }

  /** The effects that a request meets: delays first, at most one other. Each is logged. */
  effectsFor(target: FaultTarget): Effect[] {
    const effects: Effect[] = [];
    for (const active of this.#rules) {
      if (!matches(active.rule, target)) continue;
      active.matched += 1;
      const { after, count, share, effect, name } = active.rule;
      if (active.matched <= after || (count !== undefined && active.hit >= count)) continue;
      if (share < 1 && this.#random() >= share) continue;
      if (effect.kind !== 'delay' && effects.some(({ kind }) => kind !== 'delay')) continue;
      active.hit += 1;
      const drawn = effect.kind === 'delay' ? { kind: effect.kind, ms: this.#delay(effect.ms) } : effect;
      effects.push(drawn);
      this.#log.add(target.where, 'fault', { ...target, name, effect: drawn });
    }
    return effects.sort((a, b) => Number(b.kind === 'delay') - Number(a.kind === 'delay'));
  }

  #delay(ms: number | readonly [number, number]): number {
    return typeof ms === 'number' ? ms : Math.round(ms[0] + this.#random() * (ms[1] - ms[0]));
  }
}

function matches(rule: FaultRule, target: FaultTarget): boolean {
  return (
    rule.where === target.where &&
    (rule.method === undefined || rule.method === target.method) &&
    (rule.path === undefined || target.path.startsWith(rule.path)) &&
    (rule.operation === undefined || rule.operation === target.operation) &&
    (rule.bucket === undefined || rule.bucket === target.bucket) &&
    (rule.vip === undefined || rule.vip === target.vip)
  );
}
