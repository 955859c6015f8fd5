import { checkSignal } from '../body.ts';
import { checkLsu, isDirectoryLsu } from '../names.ts';
import type { ObjectStore, RequestOptions, Storage } from '../store.ts';
import { lsuExists, noSuchLsu, storageClosed } from '../store-errors.ts';
import type { MemoryState } from './state.ts';
import { MemoryStore } from './store.ts';

export interface MemoryOptions {
  /** Its LSUs have locks. Default false. */
  readonly locks?: boolean;
  /** The storage's clock: milliseconds since the epoch. Default: ours. */
  readonly clock?: () => number;
}

/** A storage in memory, for tests. Storages made with the same state see the same objects. */
export class MemoryStorage implements Storage {
  readonly name = 'memory:';
  readonly #state: MemoryState;
  readonly #options: MemoryOptions;
  readonly #closed = new AbortController();

  constructor(state: MemoryState = new Map(), options: MemoryOptions = {}) {
    this.#state = state;
    this.#options = options;
  }

  #check(options: RequestOptions): void {
    if (this.#closed.signal.aborted) throw storageClosed(this.name);
    checkSignal(options.signal);
  }

  async lsus(options: RequestOptions = {}): Promise<string[]> {
    this.#check(options);
    return [...this.#state.keys()].sort();
  }

  async createLsu(lsu: string, options: RequestOptions = {}): Promise<void> {
    checkLsu(lsu, isDirectoryLsu);
    this.#check(options);
    if (this.#state.has(lsu)) throw lsuExists(lsu);
    this.#state.set(lsu, { objects: new Map(), uploads: new Map(), locks: new Map() });
  }

  async open(lsu: string, options: RequestOptions = {}): Promise<ObjectStore> {
    checkLsu(lsu, isDirectoryLsu);
    this.#check(options);
    if (!this.#state.has(lsu)) throw noSuchLsu(lsu);
    const { locks = false, clock = Date.now } = this.#options;
    return new MemoryStore(this.#state, lsu, this.#closed.signal, clock, locks);
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }
}
