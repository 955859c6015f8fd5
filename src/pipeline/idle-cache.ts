import type { Budget } from './byte-budget.ts';

/** Something in memory that can be had again. */
export interface Sized {
  /** What it takes, about. */
  readonly bytes: number;
}

/** What it keeps at most, bytes. */
const MOST_BYTES = 32 * 2 ** 20;

/** Keeps what was read and may be wanted again, as idle memory of the budget: whoever needs room for payload has it. */
export class IdleCache {
  /** Most recently used last. */
  readonly #kept = new Map<string, Sized>();
  #bytes = 0;

  constructor(budget: Pick<Budget, 'attachIdle'>) {
    budget.attachIdle(
      () => this.#bytes,
      (bytes) => this.#reclaim(bytes),
    );
  }

  get(key: string): Sized | undefined {
    const found = this.#kept.get(key);
    if (found !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, found);
    }
    return found;
  }

  /** What has been in that place is dropped, and what was used longest ago while there is too much; never `one` itself. */
  set(key: string, one: Sized): void {
    this.delete(key);
    this.#kept.set(key, one);
    this.#bytes += one.bytes;
    this.#reclaim(Math.min(this.#bytes - MOST_BYTES, this.#bytes - one.bytes));
  }

  delete(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }

  #reclaim(bytes: number): void {
    const wanted = this.#bytes - bytes;
    for (const key of this.#kept.keys()) {
      if (this.#bytes <= wanted) return;
      this.delete(key);
    }
  }
}
