import { abortError } from '../errors.ts';

/**
 * Something loaded once for several callers, each of which may stop waiting on its own. The load itself is
 * aborted when nobody waits for it any more; then, and when it fails, it must be begun anew.
 */
export class SharedLoad<T> {
  readonly #result: Promise<T>;
  readonly #abort = new AbortController();
  #callers = 0;
  #settled = false;
  #failed = false;

  constructor(load: (signal: AbortSignal) => Promise<T>) {
    this.#result = load(this.#abort.signal);
    this.#result.then(
      () => {
        this.#settled = true;
      },
      () => {
        this.#settled = true;
        this.#failed = true;
      },
    );
  }

  /** Of no use to further callers. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The result, or the caller's abort, whatever comes first. */
  async get(signal: AbortSignal | undefined): Promise<T> {
    if (signal?.aborted) {
      this.#leave();
      throw abortError(signal);
    }
    this.#callers += 1;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(abortError(signal as AbortSignal));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([this.#result, aborted]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#callers -= 1;
      this.#leave();
    }
  }

  #leave(): void {
    if (this.#callers > 0 || this.#settled) return;
    this.#failed = true;
    this.#abort.abort();
  }
}
