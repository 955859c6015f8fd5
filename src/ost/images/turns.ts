import { abortError } from '../../errors.ts';

/**
 * Lets so many go on at the same time, in the order in which they came. The bound may change; it is asked whenever one comes or is done. One is always
 * let go on.
 */
export class Turns {
  readonly #most: () => number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(most: () => number) {
    this.#most = most;
  }

  /**
   * Wait for a turn. Whoever got one calls {@link done} exactly once.
   * @throws EngineError of class `aborted`
   */
  async mine(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw abortError(signal);
    if (this.#waiting.size > 0 || !this.#free()) await this.#wait(signal);
    else this.#running += 1;
  }

  done(): void {
    this.#running -= 1;
    for (const go of this.#waiting) {
      if (!this.#free()) return;
      this.#waiting.delete(go);
      this.#running += 1;
      go();
    }
  }

  #free(): boolean {
    return this.#running === 0 || this.#running < this.#most();
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      if (this.#waiting.delete(resolve)) reject(abortError(signal));
    };
    this.#waiting.add(resolve);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}
