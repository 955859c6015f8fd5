import type { EngineError } from '../../errors.ts';

/**
 * The first failure of a handle that happened behind the host's back. It is told once: by the answer of a call
 * that was waiting for the handle, or else by a notice.
 */
export class LateFailure {
  readonly #notify: (error: EngineError) => void;
  #error: EngineError | undefined;
  /** Calls that will tell it themselves. */
  #tellers = 0;
  #told = false;

  /** @param notify sends the notice. */
  constructor(notify: (error: EngineError) => void) {
    this.#notify = notify;
  }

  get error(): EngineError | undefined {
    return this.#error;
  }

  /** Note a failure; the first one counts. */
  set(error: EngineError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#tell();
  }

  /** Run a call whose answer tells a failure that happens meanwhile. */
  async toldBy<T>(call: () => Promise<T>): Promise<T> {
    this.#tellers += 1;
    try {
      return await call();
    } catch (error) {
      if (this.#error !== undefined) this.#told = true;
      throw error;
    } finally {
      this.#tellers -= 1;
      this.#tell();
    }
  }

  #tell(): void {
    if (this.#error === undefined || this.#told || this.#tellers > 0) return;
    this.#told = true;
    this.#notify(this.#error);
  }
}
