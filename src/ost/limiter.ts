import { abortError } from '../errors.ts';

/** At most so many pieces of work at the same time; the others wait their turn. */
export class Limiter {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Run `work` when its turn has come. Rejects with the signal's reason while it waits. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #enter(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw abortError(signal);
    if (this.#running < this.#most) {
      this.#running += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(abortError(signal as AbortSignal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(turn);
    });
  }
}

/** Limiters by name. What one of them waits for keeps nobody else from going on. */
export class Limiters {
  readonly #most: number;
  readonly #limiters = new Map<string, Limiter>();

  /** @param most pieces of work at the same time, under each name. */
  constructor(most: number) {
    this.#most = most;
  }

  /** @param name there are few of them: they are never forgotten. */
  of(name: string): Limiter {
    const limiter = this.#limiters.get(name) ?? new Limiter(this.#most);
    this.#limiters.set(name, limiter);
    return limiter;
  }
}
