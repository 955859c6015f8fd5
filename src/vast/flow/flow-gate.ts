import { abortError } from '../../errors.ts';
import type { GateFigures, GateView } from './gate-figures.ts';
import { type Decision, HillClimb, REASONS, type Reason } from './hill-climb.ts';

/** What became of a request. */
export type FlowOutcome = 'moved' | 'failed' | 'busy';

export interface FlowGateOptions {
  /** Most requests in flight. */
  readonly most: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** How long the thread has been at work so far, milliseconds. Default: not at all. */
  readonly worked?: (() => number) | undefined;
  /** Whether some servers are several times slower than others. Default: there is one. */
  readonly uneven?: (() => boolean) | undefined;
  readonly onDecision?: ((decision: Decision) => void) | undefined;
}

/** Requests in flight to begin with: enough for a disk, few enough for anybody. */
const START = 4;

/** The time of smaller requests says more about the round trip than about their pace. */
const PACED_BYTES = 4 * 2 ** 20;

interface Waiter {
  readonly enter: () => void;
}

/** Lets as many requests with payload go at the same time as have been found to be best. Whoever came first goes first. */
export class FlowGate implements GateView {
  readonly #climb: HillClimb;
  readonly #now: () => number;
  readonly #worked: () => number;
  readonly #uneven: () => boolean;
  /** How often the limit was changed, by reason. */
  readonly decisions = new Map<Reason, number>(REASONS.map((reason) => [reason, 0]));
  readonly #waiters = new Set<Waiter>();
  #inFlight = 0;
  #pace: number | undefined;

  constructor({ most, now, worked = () => 0, uneven = () => false, onDecision }: FlowGateOptions) {
    this.#climb = new HillClimb({
      start: START,
      most,
      onDecision: (decision) => {
        this.decisions.set(decision.reason, (this.decisions.get(decision.reason) ?? 0) + 1);
        onDecision?.(decision);
      },
    });
    this.#now = now;
    this.#worked = worked;
    this.#uneven = uneven;
  }

  /** Requests that may be in flight now. */
  get limit(): number {
    return this.#climb.limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Whether the limit is more than a guess. */
  get tried(): boolean {
    return this.#climb.tried;
  }

  /** Bytes per millisecond that one request moved lately; undefined before the first. */
  get pace(): number | undefined {
    return this.#pace;
  }

  get uneven(): boolean {
    return this.#uneven();
  }

  figures(): GateFigures {
    const { limit, inFlight, waiting, tried, pace, uneven } = this;
    return { limit, inFlight, waiting, tried, pace, uneven, decisions: new Map(this.decisions) };
  }

  /**
   * Wait for a place. Whoever got one calls the result exactly once.
   * @throws EngineError of class `aborted`
   */
  async enter(bytes: number, signal: AbortSignal | undefined): Promise<(outcome: FlowOutcome) => void> {
    if (signal?.aborted) throw abortError(signal);
    if (this.#inFlight >= this.#climb.limit) await this.#wait(signal);
    else this.#inFlight += 1;
    const entered = this.#now();
    return (outcome) => {
      if (outcome === 'moved' && bytes >= PACED_BYTES) this.#note(bytes / Math.max(1, this.#now() - entered));
      this.#leave(bytes, outcome);
    };
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { enter: resolve };
    this.#waiters.add(waiter);
    const onAbort = (): void => {
      if (this.#waiters.delete(waiter)) reject(abortError(signal as AbortSignal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #note(pace: number): void {
    this.#pace = this.#pace === undefined ? pace : this.#pace * 0.9 + pace * 0.1;
  }

  #leave(bytes: number, outcome: FlowOutcome): void {
    const full = this.#waiters.size > 0 || this.#inFlight >= this.#climb.limit;
    this.#climb.ended({
      at: this.#now(),
      bytes: outcome === 'moved' ? bytes : 0,
      busy: outcome === 'busy',
      full,
      worked: this.#worked(),
    });
    this.#inFlight -= 1;
    for (const waiter of this.#waiters) {
      if (this.#inFlight >= this.#climb.limit) break;
      this.#waiters.delete(waiter);
      this.#inFlight += 1;
      waiter.enter();
    }
    if (this.#inFlight === 0) this.#climb.idle();
  }
}
