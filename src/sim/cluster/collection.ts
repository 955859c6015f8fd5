/** What every row of a collection has. */
export interface Row {
  readonly id: number;
}

/** How a collection stands on disk. */
export interface StoredCollection {
  readonly next: number;
  readonly rows: readonly Row[];
}

/** Rows by id, in the order of their ids. Ids are never used twice, as in a database. */
export class Collection<T extends Row> {
  readonly #rows = new Map<number, T>();
  readonly #changed: () => void;
  #next = 1;

  /** `changed` is called after every change. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  all(): T[] {
    return [...this.#rows.values()];
  }

  get size(): number {
    return this.#rows.size;
  }

  get(id: number | undefined): T | undefined {
    return id === undefined ? undefined : this.#rows.get(id);
  }

  find(wanted: (row: T) => boolean): T | undefined {
    for (const row of this.#rows.values()) if (wanted(row)) return row;
    return undefined;
  }

  add(make: (id: number) => T): T {
    const row = make(this.#next);
    this.#next += 1;
    this.#rows.set(row.id, row);
    this.#changed();
    return row;
  }

  /** Put a changed row in the place of the one with its id. */
  replace(row: T): T {
    this.#rows.set(row.id, row);
    this.#changed();
    return row;
  }

  remove(id: number): void {
    if (this.#rows.delete(id)) this.#changed();
  }

  /** Keep only the newest rows. */
  trim(most: number): void {
    for (const id of this.#rows.keys()) {
      if (this.#rows.size <= most) return;
      this.remove(id);
    }
  }

  store(): StoredCollection {
    return { next: this.#next, rows: this.all() };
  }

  load(stored: StoredCollection): void {
    this.#next = stored.next;
    for (const row of stored.rows) this.#rows.set(row.id, row as T);
  }
}
