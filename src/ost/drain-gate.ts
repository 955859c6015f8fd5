import { abortError } from '../errors.ts';

/**
 * Tells when an engine that is about to stop has finished the calls that must not be cut short. Calls that
 * would begin something new wait at the gate: they stay unanswered, and the host sends them to the successor.
 */
export class DrainGate {
  #draining = false;
  #running = 0;
  #idle: (() => void)[] = [];

  get draining(): boolean {
    return this.#draining;
  }

  /** Calls that {@link drained} waits for. */
  get running(): number {
    return this.#running;
  }

  /** For calls made while {@link draining}: wait for the signal, and reject with its reason. */
  async hold(signal: AbortSignal): Promise<never> {
    return new Promise<never>((_, reject) => {
      const stop = (): void => reject(abortError(signal));
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** Work that a drain waits for: a commit, a deletion. */
  async finish<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) for (const idle of this.#idle.splice(0)) idle();
    }
  }

  /** Close the gate; resolves when all work has finished. */
  async drained(): Promise<void> {
    this.#draining = true;
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
