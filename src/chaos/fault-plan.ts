import { EngineError } from '../errors.ts';
import { seededRandom } from '../sim/faults/random.ts';

/** Events kept; older ones are forgotten. */
const MAX_EVENTS = 10_000;
/** Sites whose turns are counted; the oldest ones begin again. */
const MAX_SITES = 100_000;

/** A fault and when it happens. */
export interface FaultRule<Effect> {
  /** For the log and for {@link FaultPlan.verifyAllHit}. Default: its place in the plan. */
  readonly name?: string;
  /** Let so many that it applies to pass first. Default 0. */
  readonly after?: number;
  /** Happens so often, then no more. Default: always. */
  readonly count?: number;
  /** Share of those it applies to that it meets, drawn with the seed. Default 1. */
  readonly rate?: number;
  readonly effect: Effect;
}

/** One fault that happened. */
export interface FaultEvent<Effect> {
  readonly rule: string;
  /** What it happened to: operation, key and part, or the connection. */
  readonly site: string;
  /** The how manieth time of this site, from 1. */
  readonly turn: number;
  readonly effect: Effect;
}

/** A fault that is due. */
export interface DueFault<Effect> {
  readonly effect: Effect;
  /** In [0, 1), drawn with the seed: where in the bytes it strikes. */
  readonly share: number;
  /** To be called when it has really happened. */
  hit(): void;
}

interface ActiveRule<Rule> {
  readonly rule: Rule;
  readonly name: string;
  matched: number;
  taken: number;
  hits: number;
}

/**
 * Faults, planned by rules and a seed. What meets a site's n-th turn depends on the seed, the rule, the site and n alone, so requests that overtake each
 * other meet the same faults; only `after` and `count` go by the order of arrival.
 */
export class FaultPlan<Effect, Rule extends FaultRule<Effect> = FaultRule<Effect>> {
  readonly seed: number;
  readonly #rules: readonly ActiveRule<Rule>[];
  readonly #turns = new Map<string, number>();
  readonly #onHit: ((event: FaultEvent<Effect>) => void) | undefined;
  #events: FaultEvent<Effect>[] = [];

  /** @param onHit called with every fault when it has happened. */
  constructor(seed: number, rules: readonly Rule[], onHit?: (event: FaultEvent<Effect>) => void) {
    this.seed = seed;
    this.#rules = rules.map((rule, at) => ({ rule, name: rule.name ?? `${at + 1}`, matched: 0, taken: 0, hits: 0 }));
    this.#onHit = onHit;
  }

  /** The faults that meet this turn of a site, in the order of the rules. */
  draw(site: string, applies: (rule: Rule) => boolean): DueFault<Effect>[] {
    const turn = this.#nextTurn(site);
    const due: DueFault<Effect>[] = [];
    for (const active of this.#rules) {
      const { rule, name } = active;
      const { after = 0, count = Number.POSITIVE_INFINITY, rate = 1, effect } = rule;
      if (!applies(rule)) continue;
      active.matched += 1;
      if (active.matched <= after || active.taken >= count) continue;
      const random = seededRandom(hashOf(`${this.seed} ${name} ${site} ${turn}`));
      if (random() >= rate) continue;
      active.taken += 1;
      const hit = (): void => {
        active.hits += 1;
        this.#note({ rule: name, site, turn, effect });
      };
      due.push({ effect, share: random(), hit });
    }
    return due;
  }

  /** What happened, at most 10,000 entries, sorted by site, turn and rule: the same seed and requests give the same list. */
  events(): FaultEvent<Effect>[] {
    return this.#events.slice(-MAX_EVENTS).sort((a, b) => {
      return compare(a.site, b.site) || a.turn - b.turn || compare(a.rule, b.rule);
    });
  }

  /** How often each rule happened. */
  hits(): Record<string, number> {
    return Object.fromEntries(this.#rules.map(({ name, hits }) => [name, hits]));
  }

  /** @throws EngineError VOST_FAULT_NOT_HIT (`internal`) when a rule never happened: what was to be tested was not. */
  verifyAllHit(): void {
    const missed = this.#rules.filter(({ hits }) => hits === 0).map(({ name }) => name);
    if (missed.length === 0) return;
    throw new EngineError('VOST_FAULT_NOT_HIT', 'internal', `planned faults never happened: ${missed.join(', ')}`, {
      advice: 'check which operations the rules name, and whether there were enough of them',
      details: { seed: this.seed, missed },
    });
  }

  #nextTurn(site: string): number {
    const turn = (this.#turns.get(site) ?? 0) + 1;
    this.#turns.set(site, turn);
    const [oldest] = this.#turns.size > MAX_SITES ? this.#turns.keys() : [];
    if (oldest !== undefined) this.#turns.delete(oldest);
    return turn;
  }

  #note(event: FaultEvent<Effect>): void {
    this.#events.push(event);
    if (this.#events.length >= 2 * MAX_EVENTS) this.#events = this.#events.slice(-MAX_EVENTS);
    this.#onHit?.(event);
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
