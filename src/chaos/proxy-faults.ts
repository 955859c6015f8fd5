import { FaultPlan, type FaultRule } from './fault-plan.ts';
import { parseRates } from './rates.ts';

/** `up`: from the client to the target; `down`: back. */
export type Direction = 'up' | 'down';

/**
 * What happens to a connection. `at` is a number of bytes of its direction, or a range that the number is drawn from.
 *
 * - `refuse`: reset as soon as it is made.
 * - `latency`: all that it carries comes so many milliseconds later.
 * - `reset`: broken after so many bytes; 0: before the first one that comes.
 * - `truncate`: ended in order after so many bytes.
 * - `flip`: one bit of the byte with this number, from 0, is another.
 * - `black-hole`: nothing of what follows arrives, and nobody is told.
 */
export type ProxyEffect =
  | { readonly kind: 'refuse' }
  | { readonly kind: 'latency'; readonly ms: number }
  | {
      readonly kind: 'reset' | 'truncate' | 'flip' | 'black-hole';
      readonly direction: Direction;
      readonly at: number | readonly [from: number, below: number];
    };

export type ProxyRule = FaultRule<ProxyEffect>;
export type ProxyPlan = FaultPlan<ProxyEffect>;

const RANGE = [0, 4 * 1024 * 1024] as const;
const LATENCY_MS = 100;

const EFFECTS = {
  refuse: { kind: 'refuse' },
  latency: { kind: 'latency', ms: LATENCY_MS },
  reset: { kind: 'reset', direction: 'up', at: RANGE },
  'reset-answer': { kind: 'reset', direction: 'down', at: RANGE },
  truncate: { kind: 'truncate', direction: 'down', at: RANGE },
  flip: { kind: 'flip', direction: 'up', at: RANGE },
  'flip-answer': { kind: 'flip', direction: 'down', at: RANGE },
  'black-hole': { kind: 'black-hole', direction: 'up', at: RANGE },
} as const satisfies Record<string, ProxyEffect>;

type Kind = keyof typeof EFFECTS;
const KINDS = Object.keys(EFFECTS) as Kind[];

/**
 * The rules that the rates of `vast-ost chaos-proxy` stand for.
 *
 * @throws EngineError VOST_BAD_CHAOS (`usage`)
 */
export function parseProxyRates(text: string): { readonly seed: number; readonly rules: ProxyRule[] } {
  const standard = Object.fromEntries(KINDS.map((kind) => [kind, 0.02]));
  const { seed, rates } = parseRates(text, KINDS, standard);
  return { seed, rules: [...rates].map(([name, rate]) => ({ name, rate, effect: EFFECTS[name] })) };
}

/** A plan for {@link ChaosProxy}; its sites are `connection N`, from 1. */
export function proxyPlan(
  seed: number,
  rules: readonly ProxyRule[],
  onHit?: ConstructorParameters<typeof FaultPlan<ProxyEffect>>[2],
): ProxyPlan {
  return new FaultPlan<ProxyEffect>(seed, rules, onHit);
}
