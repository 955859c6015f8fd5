/** A map from binary strings that can also be walked in ascending order from any point. */
export class KeyIndex<T> {
  readonly #values = new Map<string, T>();
  #keys: string[] = [];
  /** Keys that were deleted but still stand in `#keys`. */
  readonly #stale = new Set<string>();
  #sorted = true;

  get size(): number {
    return this.#values.size;
  }

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: T): void {
    const known = this.#values.has(key) || this.#stale.delete(key);
    this.#values.set(key, value);
    if (known) return;
    const last = this.#keys.at(-1);
    if (last !== undefined && last > key) this.#sorted = false;
    this.#keys.push(key);
  }

  delete(key: string): boolean {
    const known = this.#values.delete(key);
    if (known) this.#stale.add(key);
    return known;
  }

  /** Values in no particular order. */
  values(): IterableIterator<T> {
    return this.#values.values();
  }

  /**
   * The first key `>= from` (or `> from`), undefined when there is none. Sorts only after changes, and
   * then mostly sorted input, which costs little.
   */
  next(from: string, inclusive: boolean): string | undefined {
    this.#settle();
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const key = this.#keys[middle] ?? '';
      if (key < from || (!inclusive && key === from)) low = middle + 1;
      else high = middle;
    }
    return this.#keys[low];
  }

  #settle(): void {
    if (this.#stale.size > 0) {
      this.#keys = this.#keys.filter((key) => this.#values.has(key));
      this.#stale.clear();
    }
    if (this.#sorted) return;
    this.#keys.sort((a, b) => (a < b ? -1 : 1));
    this.#sorted = true;
  }
}
