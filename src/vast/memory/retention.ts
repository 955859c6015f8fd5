import { EngineError } from '../../errors.ts';
import { checkSignal } from '../body.ts';
import type { RequestOptions, Retention, RetentionMode, RetentionStatus } from '../store.ts';
import { noSuchKey } from '../store-errors.ts';
import type { MemoryLsu } from './state.ts';

/** Locks of one LSU in memory. There are no versions here: what is locked can be neither deleted nor replaced. */
export class MemoryRetention implements Retention {
  readonly #lsu: string;
  readonly #data: () => MemoryLsu;
  readonly #clock: () => number;

  constructor(lsu: string, data: () => MemoryLsu, clock: () => number) {
    this.#lsu = lsu;
    this.#data = data;
    this.#clock = clock;
  }

  async status(options: RequestOptions = {}): Promise<RetentionStatus> {
    checkSignal(options.signal);
    return { skewMs: this.#clock() - Date.now() };
  }

  async lockedUntil(key: string, options: RequestOptions = {}): Promise<number> {
    checkSignal(options.signal);
    return this.#until(key);
  }

  async extend(keys: readonly string[], until: number, _: RetentionMode, options: RequestOptions = {}): Promise<void> {
    checkSignal(options.signal);
    const { objects, locks } = this.#data();
    for (const key of keys) {
      if (!objects.has(key)) throw noSuchKey(this.#lsu, key);
      locks.set(key, Math.max(this.#until(key), Math.ceil(until / 1000) * 1000));
    }
  }

  /** Throws `access` (VOST_OBJECT_LOCKED) for a key that is locked. */
  check(key: string): void {
    if (this.#until(key) === 0) return;
    throw new EngineError('VOST_OBJECT_LOCKED', 'access', `${this.#lsu}/${key} is locked`);
  }

  #until(key: string): number {
    const until = this.#data().locks.get(key) ?? 0;
    return until > this.#clock() ? until : 0;
  }
}
