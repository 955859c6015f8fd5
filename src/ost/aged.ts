/** Milliseconds of a clock that never goes back. */
export type Clock = () => number;

interface Entry<T> {
  readonly value: T;
  readonly at: number;
}

/**
 * A value that is fetched and then answered from memory while it is young. Callers at the same time share one fetch. A failing
 * fetch is answered with the last value while that is not too old: a poll must not take a volume down for one lost packet.
 */
export class Aged<T> {
  readonly #fetch: () => Promise<T>;
  readonly #youngMs: number;
  readonly #staleMs: number;
  readonly #now: Clock;
  readonly #retryMs: number;
  #failed: { readonly error: unknown; readonly at: number } | undefined;
  #entry: Entry<T> | undefined;
  #running: Promise<T> | undefined;

  /**
   * @param youngMs answered from memory up to this age.
   * @param staleMs answered from memory up to this age when fetching fails, and while it takes its time.
   * @param retryMs after a failure nothing is fetched for so long; whoever asks hears of that failure.
   */
  constructor(
    fetch: () => Promise<T>,
    youngMs: number,
    staleMs: number,
    now: Clock = () => performance.now(),
    retryMs = 0,
  ) {
    this.#fetch = fetch;
    this.#youngMs = youngMs;
    this.#staleMs = staleMs;
    this.#now = now;
    this.#retryMs = retryMs;
  }

  /** The value, at most `staleMs` old. An old one is answered at once and renewed behind the caller's back. */
  async get(): Promise<T> {
    const age = this.#age();
    if (this.#entry !== undefined && age <= this.#youngMs) return this.#entry.value;
    const renewal = this.renew();
    if (this.#entry === undefined || age > this.#staleMs) return renewal;
    renewal.catch(() => undefined);
    return this.#entry.value;
  }

  /** What is known now, however old. */
  peek(): T | undefined {
    return this.#entry?.value;
  }

  /** Fetch, or join the fetch that runs. */
  renew(): Promise<T> {
    if (this.#failed !== undefined && this.#now() - this.#failed.at < this.#retryMs) {
      return Promise.reject(this.#failed.error);
    }
    this.#running ??= this.#fetch()
      .then(
        (value) => {
          this.#entry = { value, at: this.#now() };
          this.#failed = undefined;
          return value;
        },
        (error: unknown) => {
          this.#failed = { error, at: this.#now() };
          throw error;
        },
      )
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** Resolves when no fetch runs. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  #age(): number {
    return this.#entry === undefined ? Number.POSITIVE_INFINITY : this.#now() - this.#entry.at;
  }
}
