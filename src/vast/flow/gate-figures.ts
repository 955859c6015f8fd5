import type { Reason } from './hill-climb.ts';

/** What of a gate sizes follow from. */
export interface GateView {
  /** Requests that may be in flight now. */
  readonly limit: number;
  /** Whether the limit is more than a guess. */
  readonly tried: boolean;
  /** Bytes per millisecond that one request moved lately; undefined before the first. */
  readonly pace: number | undefined;
  /** Whether some servers (data VIPs) are several times slower than others. */
  readonly uneven: boolean;
}

/** What bounds the requests in flight of one direction, now. Plain values. */
export interface GateFigures extends GateView {
  readonly inFlight: number;
  readonly waiting: number;
  /** How often the limit was changed. */
  readonly decisions: ReadonlyMap<Reason, number>;
}

/** Threads share the way: what they may have in flight adds up. One that has nothing to do takes no part. */
export function mergeGates(gates: readonly [GateFigures, ...GateFigures[]]): GateFigures {
  const busy = gates.filter(({ inFlight, waiting }) => inFlight + waiting > 0);
  const decisions = new Map<Reason, number>();
  for (const gate of gates)
    for (const [reason, count] of gate.decisions) decisions.set(reason, (decisions.get(reason) ?? 0) + count);
  const paces = gates.flatMap(({ pace }) => pace ?? []);
  return {
    limit: busy.length > 0 ? sum(busy, ({ limit }) => limit) : Math.max(...gates.map(({ limit }) => limit)),
    inFlight: sum(gates, ({ inFlight }) => inFlight),
    waiting: sum(gates, ({ waiting }) => waiting),
    decisions,
    tried: gates.some(({ tried }) => tried),
    pace: paces.length > 0 ? paces.reduce((all, pace) => all + pace) / paces.length : undefined,
    uneven: gates.some(({ uneven }) => uneven),
  };
}

function sum(gates: readonly GateFigures[], of: (gate: GateFigures) => number): number {
  return gates.reduce((all, gate) => all + of(gate), 0);
}

/** The gate of this thread together with what other threads say of theirs for the same storage. */
export class JointGate implements GateView {
  readonly #own: GateView & { figures(): GateFigures };
  readonly #others = new Map<number, GateFigures>();

  constructor(own: GateView & { figures(): GateFigures }) {
    this.#own = own;
  }

  /** @param figures undefined when the thread has gone. */
  hear(thread: number, figures: GateFigures | undefined): void {
    if (figures === undefined) this.#others.delete(thread);
    else this.#others.set(thread, figures);
  }

  get limit(): number {
    return this.#joint().limit;
  }

  get tried(): boolean {
    return this.#joint().tried;
  }

  get pace(): number | undefined {
    return this.#joint().pace;
  }

  get uneven(): boolean {
    return this.#joint().uneven;
  }

  #joint(): GateView {
    return this.#others.size === 0 ? this.#own : mergeGates([this.#own.figures(), ...this.#others.values()]);
  }
}
