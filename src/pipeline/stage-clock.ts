import type { ByteBudget } from './byte-budget.ts';

type Waits = Pick<ByteBudget, 'take' | 'takeForOutput'>;

/** What a stream is doing: `downstream` is also the wait for memory, which only stored or consumed bytes give back. */
export type StageState = 'busy' | 'upstream' | 'downstream';

/** Milliseconds spent in each state. */
export type StageTimes = Record<StageState, number>;

/**
 * Where the time of one stream goes. It is in exactly one state at any moment: `busy` while it works on at least one item; waiting
 * `downstream` while it has results that nobody takes, or no memory for them; else waiting `upstream`. The stage that limits a chain is busy
 * while those before it wait downstream and those after it wait upstream.
 *
 * The clock is read only when the state changes: a few times per item, and an item is a chunk or a part.
 */
export class StageClock {
  /** Payload taken in and passed on, bytes. */
  bytesIn = 0;
  bytesOut = 0;
  readonly #now: () => number;
  readonly #times: StageTimes = { busy: 0, upstream: 0, downstream: 0 };
  #state: StageState = 'upstream';
  #since: number;
  #running = 0;
  /** Of what is running, what waits for room. */
  #waiting = 0;
  #held = false;

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#since = now();
  }

  /** Work on one more item begins. */
  begin(): void {
    this.#running += 1;
    this.#update();
  }

  /** It has ended. */
  end(): void {
    this.#running -= 1;
    this.#update();
  }

  /** Whether finished items wait to be taken. */
  hold(held: boolean): void {
    this.#held = held;
    this.#update();
  }

  /** A running piece of work waits for room: to pass on a result, or for memory. */
  async room<T>(granted: Promise<T>): Promise<T> {
    this.#waiting += 1;
    this.#update();
    try {
      return await granted;
    } finally {
      this.#waiting -= 1;
      this.#update();
    }
  }

  /** A budget whose waits count as such. */
  watch(budget: Waits): Waits {
    return {
      take: (bytes, signal, onGrant) => this.room(budget.take(bytes, signal, onGrant)),
      takeForOutput: (bytes, signal, onGrant) => this.room(budget.takeForOutput(bytes, signal, onGrant)),
    };
  }

  /** The times up to now. */
  read(): Readonly<StageTimes> {
    const now = this.#now();
    this.#times[this.#state] += now - this.#since;
    this.#since = now;
    return this.#times;
  }

  #update(): void {
    const state = this.#running > this.#waiting ? 'busy' : this.#waiting > 0 || this.#held ? 'downstream' : 'upstream';
    if (state === this.#state) return;
    this.read();
    this.#state = state;
  }
}
