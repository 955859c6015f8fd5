import { abortError, EngineError } from '../errors.ts';

/** Bytes granted by a {@link ByteBudget}. Give them back exactly once. */
export interface Ticket {
  readonly bytes: number;
  /** Keep only `bytes` of the grant (never more than it has). */
  shrink(bytes: number): void;
  /** Give everything back. A second call does nothing. */
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * The one bound on payload memory. Whoever is about to hold payload takes a ticket first and gives it
 * back when storage has acknowledged the bytes. Waiting is first come, first served, so that a large request
 * is not starved by small ones.
 */
export class ByteBudget {
  readonly total: number;
  #used = 0;
  #peak = 0;
  #overdraft: Ticket | undefined;
  readonly #waiters: Waiter[] = [];
  #reclaimIdle: (bytes: number) => void = () => undefined;
  #idle: () => number = () => 0;

  /** @param total the bound in bytes, above 0. */
  constructor(total: number) {
    if (!Number.isSafeInteger(total) || total <= 0) {
      throw new EngineError(
        'VOST_BUDGET',
        'usage',
        `the memory budget must be a positive number of bytes, not ${total}`,
      );
    }
    this.total = total;
  }

  /** Bytes granted now. */
  get used(): number {
    return this.#used;
  }

  /** The most bytes granted at once so far. */
  get peak(): number {
    return this.#peak;
  }

  /** Requests waiting now. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /**
   * A pool that keeps memory for reuse registers here: `idle` tells how many bytes it keeps unused, and
   * `reclaim` must return at least that many to the system when a grant needs the room.
   */
  attachIdle(idle: () => number, reclaim: (bytes: number) => void): void {
    this.#idle = idle;
    this.#reclaimIdle = reclaim;
  }

  /** Wait for `bytes`. Rejects with class `usage` when they can never fit, `aborted` when the signal fires first. */
  async take(bytes: number, signal?: AbortSignal): Promise<Ticket> {
    if (bytes > this.total) {
      throw new EngineError(
        'VOST_BUDGET',
        'usage',
        `${bytes} bytes can never fit the memory budget of ${this.total} bytes`,
        {
          advice: 'raise the memory budget or lower the chunk size',
        },
      );
    }
    if (signal?.aborted) throw abortError(signal);
    if (this.#waiters.length === 0 && this.#used + bytes <= this.total) return this.#grant(bytes);
    return new Promise<Ticket>((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
        reject(abortError(signal as AbortSignal));
        this.#wake();
      };
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.#grant(bytes));
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /**
   * Like {@link take}, for a stage that needs room for its output before it can free its input. When
   * nothing is left, one such grant at a time may exceed the budget: without it, chunks that all wait
   * for output room would wait for ever. The excess is bounded by one chunk.
   */
  async takeForOutput(bytes: number, signal?: AbortSignal): Promise<Ticket> {
    if (this.#used + bytes > this.total && this.#overdraft === undefined) {
      if (signal?.aborted) throw abortError(signal);
      const ticket = this.#grant(bytes, () => {
        if (this.#overdraft === ticket) this.#overdraft = undefined;
      });
      this.#overdraft = ticket;
      return ticket;
    }
    return this.take(bytes, signal);
  }

  #grant(bytes: number, onRelease: () => void = () => undefined): Ticket {
    let held = bytes;
    this.#used += bytes;
    this.#peak = Math.max(this.#peak, this.#used);
    const excess = this.#used + this.#idle() - this.total;
    if (excess > 0) this.#reclaimIdle(excess);
    const giveBack = (to: number): void => {
      this.#used -= held - to;
      held = to;
      this.#wake();
    };
    return {
      get bytes() {
        return held;
      },
      shrink: (to) => {
        if (to < held) {
          onRelease();
          giveBack(to);
        }
      },
      release: () => {
        onRelease();
        if (held > 0) giveBack(0);
      },
    };
  }

  #wake(): void {
    for (;;) {
      const next = this.#waiters[0];
      if (next === undefined || this.#used + next.bytes > this.total) return;
      this.#waiters.shift();
      next.grant();
    }
  }
}
