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
 * is not starved by small ones; only output of a stage goes first ({@link takeForOutput}), because it frees memory.
 */
export class ByteBudget {
  readonly total: number;
  #used = 0;
  #peak = 0;
  /** Tickets of {@link takeForOutput} whose stage is still at work. */
  #working = 0;
  readonly #waiters: Waiter[] = [];
  readonly #outputWaiters: Waiter[] = [];
  /** Room that {@link take} leaves free, by whoever asked for it; the largest request counts. */
  readonly #reserves = new Set<{ readonly bytes: number }>();
  readonly #pools: { readonly idle: () => number; readonly reclaim: (bytes: number) => void }[] = [];

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

  /** Bytes granted now. At most `total`, or while an overdraft lasts that and one request of {@link takeForOutput}. */
  get used(): number {
    return this.#used;
  }

  /** The most bytes granted at once so far. */
  get peak(): number {
    return this.#peak;
  }

  /** Requests waiting now. */
  get waiting(): number {
    return this.#waiters.length + this.#outputWaiters.length;
  }

  /**
   * A pool that keeps memory for reuse registers here: `idle` tells how many bytes it keeps unused, and
   * `reclaim` must return at least that many to the system, or all it has, when a grant needs the room.
   */
  attachIdle(idle: () => number, reclaim: (bytes: number) => void): void {
    this.#pools.push({ idle, reclaim });
  }

  /**
   * Wait for `bytes`. Rejects with class `usage` when they can never fit, `aborted` when the signal fires first.
   *
   * @param onGrant called at the moment of the grant, before idle memory is reclaimed for it: a pool takes the idle memory that
   *   the grant is meant for.
   */
  async take(bytes: number, signal?: AbortSignal, onGrant?: () => void): Promise<Ticket> {
    this.#check(bytes, signal);
    if (this.#waiters.length === 0 && this.#fits(bytes)) return this.#grant(bytes, onGrant);
    return this.#wait(this.#waiters, bytes, signal, onGrant);
  }

  /**
   * Like {@link take}, for a stage that needs room for its output before it can free its input. It does not queue behind
   * {@link take}, and one such grant may exceed the budget; while it does, others wait. Without that, chunks
   * that all wait for output room would wait for ever.
   *
   * The stage must end by holding no more than before (release the input, {@link Ticket.shrink} to what is left), or pass its output to
   * somebody who frees it without waiting for more input: only then does an overdraft end.
   */
  async takeForOutput(bytes: number, signal?: AbortSignal): Promise<Ticket> {
    this.#check(bytes, signal);
    const working = (): void => {
      this.#working += 1;
    };
    const ticket = this.#outputFits(bytes)
      ? this.#grant(bytes, working)
      : await this.#wait(this.#outputWaiters, bytes, signal, working);
    return this.#untilSettled(ticket);
  }

  /**
   * Keep `bytes` free of {@link take} for {@link takeForOutput}, so that output needs no overdraft; several reserves overlap. Returns the
   * function that ends it. What is in use already stays, so the room is there only after a while.
   */
  reserveForOutput(bytes: number): () => void {
    const reserve = { bytes };
    this.#reserves.add(reserve);
    return () => {
      if (this.#reserves.delete(reserve)) this.#wake();
    };
  }

  get #reserved(): number {
    let most = 0;
    for (const { bytes } of this.#reserves) most = Math.max(most, bytes);
    return most;
  }

  get #overdrawn(): boolean {
    return this.#used > this.total;
  }

  /** Output exceeds the budget only when no other stage is at work that will make room. */
  #outputFits(bytes: number): boolean {
    return this.#used + bytes <= this.total || (this.#working === 0 && !this.#overdrawn);
  }

  /** A stage is at work on its output until it has said how much of the room it keeps. */
  #untilSettled(ticket: Ticket): Ticket {
    let working = true;
    const settle = (change: () => void): void => {
      if (working) this.#working -= 1;
      working = false;
      change();
      this.#wake();
    };
    return {
      get bytes() {
        return ticket.bytes;
      },
      shrink: (bytes) => settle(() => ticket.shrink(bytes)),
      release: () => settle(() => ticket.release()),
    };
  }

  #fits(bytes: number): boolean {
    // An empty budget grants anything that it can hold at all: a reserve must not keep work from beginning.
    return this.#used === 0 || this.#used + bytes <= this.total - this.#reserved;
  }

  #check(bytes: number, signal: AbortSignal | undefined): void {
    if (!(bytes >= 0 && bytes <= this.total)) {
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
  }

  #wait(
    queue: Waiter[],
    bytes: number,
    signal: AbortSignal | undefined,
    onGrant?: (() => void) | undefined,
  ): Promise<Ticket> {
    return new Promise<Ticket>((resolve, reject) => {
      const onAbort = (): void => {
        queue.splice(queue.indexOf(waiter), 1);
        reject(abortError(signal as AbortSignal));
        this.#wake();
      };
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.#grant(bytes, onGrant));
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.push(waiter);
    });
  }

  #grant(bytes: number, onGrant?: (() => void) | undefined): Ticket {
    let held = bytes;
    this.#used += bytes;
    this.#peak = Math.max(this.#peak, this.#used);
    onGrant?.();
    this.#reclaim();
    const keep = (bytes: number): void => {
      if (bytes >= held) return;
      this.#used -= held - bytes;
      held = bytes;
      this.#wake();
    };
    return {
      get bytes() {
        return held;
      },
      shrink: keep,
      release: () => keep(0),
    };
  }

  /** What pools keep unused must fit beside what is granted. */
  #reclaim(): void {
    for (const { idle, reclaim } of this.#pools) {
      const excess = this.#used + this.#pools.reduce((sum, pool) => sum + pool.idle(), 0) - this.total;
      if (excess <= 0) return;
      reclaim(Math.min(excess, idle()));
    }
  }

  #wake(): void {
    for (
      let next = this.#outputWaiters[0];
      next !== undefined && this.#outputFits(next.bytes);
      next = this.#outputWaiters[0]
    ) {
      this.#outputWaiters.shift();
      next.grant();
    }
    for (let next = this.#waiters[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiters[0]) {
      this.#waiters.shift();
      next.grant();
    }
  }
}

/** A budget as those who work under it see it; whose it is does not matter to them. */
export type Budget = Pick<ByteBudget, 'total' | 'used' | 'take' | 'takeForOutput' | 'reserveForOutput' | 'attachIdle'>;
