import type { LockBounds, LockPolicy } from '../image/image-lock.ts';
import type { ObjectStore } from '../vast/store.ts';
import { Aged, type Clock } from './aged.ts';

/** How old the answer whether an LSU has locks may be, milliseconds. */
const YOUNG_MS = 60_000;
const STALE_MS = 600_000;

/** The locks of an LSU's images. */
export class LsuLocks {
  /** How images are locked when they are complete; undefined when they are not. */
  readonly policy: LockPolicy | undefined;
  readonly #present: Aged<boolean>;

  constructor(store: ObjectStore, policy: LockPolicy | undefined, now?: Clock) {
    this.policy = policy;
    this.#present = new Aged(async () => (await store.retention?.status()) !== undefined, YOUNG_MS, STALE_MS, now);
  }

  /** How long locks may be, where images are locked: it is configured, and the LSU can. */
  async bounds(): Promise<LockBounds | undefined> {
    return this.policy !== undefined && (await this.#present.get()) ? this.policy : undefined;
  }
}
