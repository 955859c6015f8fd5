import { abortError } from '../../errors.ts';

/** How the system calls of a directory are doing. */
export interface CallStatus {
  /** Most that the kernel gets at the same time. */
  readonly limit: number;
  /** In the kernel, or in the queue of the thread pool. */
  readonly inFlight: number;
  /** Waiting for a place. */
  readonly waiting: number;
  /** How long the oldest of those in flight takes already, milliseconds; 0 when there is none. */
  readonly oldestMs: number;
}

interface Mark {
  readonly at: number;
}

/**
 * Lets so many system calls on a directory go at the same time; who came first goes first. Each call holds a thread of the process until the
 * kernel has its answer, and that of an NFS server that hangs does not come: without a bound one mount would take all threads, and everything
 * else would wait for it.
 */
export class CallGate {
  readonly #limit: number;
  readonly #now: () => number;
  /** The calls in flight, the oldest first. */
  readonly #calls = new Set<Mark>();
  readonly #waiters = new Set<(mark: Mark) => void>();

  /** @param now monotonic milliseconds. */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Whether a call would have to wait. */
  get full(): boolean {
    return this.#calls.size >= this.#limit;
  }

  status(): CallStatus {
    const [oldest] = this.#calls;
    return {
      limit: this.#limit,
      inFlight: this.#calls.size,
      waiting: this.#waiters.size,
      oldestMs: oldest === undefined ? 0 : this.#now() - oldest.at,
    };
  }

  /**
   * Make a call when there is a place for it. One that need not wait is made whatever the signal says: it may be a clean-up.
   * @throws EngineError of class `aborted` when the signal fires while it waits
   */
  async run<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const mark = this.full ? await this.#wait(signal) : this.#begin();
    try {
      return await call();
    } finally {
      this.#calls.delete(mark);
      const [next] = this.#waiters;
      if (next !== undefined) {
        this.#waiters.delete(next);
        next(this.#begin());
      }
    }
  }

  #begin(): Mark {
    const mark = { at: this.#now() };
    this.#calls.add(mark);
    return mark;
  }

  async #wait(signal: AbortSignal | undefined): Promise<Mark> {
    if (signal?.aborted) throw abortError(signal);
    const { promise, resolve, reject } = Promise.withResolvers<Mark>();
    const onAbort = (): void => {
      if (this.#waiters.delete(resolve)) reject(abortError(signal as AbortSignal));
    };
    this.#waiters.add(resolve);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
