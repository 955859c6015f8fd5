import { failureOf } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { LivingWriters, processOf } from './living-writers.ts';
import { imagePrefix } from './names.ts';
import type { Pending } from './pending.ts';
import { latestPending, lookAt, pendingRecords, readPendingAt } from './pending-records.ts';
import type { ImageFolder } from './scan.ts';

/** How old may be what engines said of their writers, milliseconds. */
const YOUNG_MS = 10_000;

/**
 * What unfinished images need, as they are now: a collection may take hours, and images begin and go on meanwhile. So whatever is about to be
 * removed is looked at here right before.
 */
export class UnfinishedImages {
  readonly #store: ObjectStore;
  readonly #leaseMs: number;
  readonly #signal: AbortSignal | undefined;
  #writers: { readonly at: number; readonly read: Promise<LivingWriters> } | undefined;

  /** @param leaseMs for how long a writer is believed to live by its record alone, milliseconds. */
  constructor(store: ObjectStore, leaseMs: number, signal: AbortSignal | undefined) {
    this.#store = store;
    this.#leaseMs = leaseMs;
    this.#signal = signal;
  }

  /** Somebody has begun the image, or it is complete. */
  async isClaimed(imageId: string): Promise<boolean> {
    const { complete, records } = await lookAt(this.#store, imagePrefix(imageId), this.#signal);
    return complete || records.length > 0;
  }

  /** Its writer has it open, and is not silent. */
  async isAlive(imageId: string): Promise<boolean> {
    const latest = await latestPending(this.#store, imagePrefix(imageId), this.#signal);
    return latest !== undefined && (await this.#isWritten(await this.#read(latest.key), latest.modified));
  }

  /** The image needs the upload: a record names it, or its writer is at work and may not have named it yet. */
  async needs(imageId: string, upload: string): Promise<boolean> {
    const records = await pendingRecords(this.#store, imagePrefix(imageId), this.#signal);
    for (const [nth, { key, modified }] of records.entries()) {
      const record = await this.#read(key);
      if (record === undefined || record.fence === upload || record.uploads.some(({ id }) => id === upload))
        return true;
      if (nth === records.length - 1 && (await this.#isWritten(record, modified))) return true;
    }
    return false;
  }

  /** Nobody has written to its record, or completed it, since it was listed. */
  async isAsListed({ imageId, objects, record }: ImageFolder): Promise<boolean> {
    const { complete, records } = await lookAt(this.#store, imagePrefix(imageId), this.#signal);
    const latest = records.at(-1);
    const listed = objects.get(record);
    const same = latest?.key === listed?.key && latest?.modified === listed?.modified && latest?.size === listed?.size;
    return same && !complete;
  }

  async #isWritten(record: Pending | undefined, touched: number): Promise<boolean> {
    const { open, creator } = record?.handle ?? {};
    // Engines name the process that writes; nobody vouches for anything else.
    if (!open || creator === undefined || processOf(creator) === '') return false;
    return !(await this.#living()).isSilent(creator, touched);
  }

  #living(): Promise<LivingWriters> {
    const now = performance.now();
    if (this.#writers === undefined || now - this.#writers.at > YOUNG_MS)
      this.#writers = { at: now, read: LivingWriters.read(this.#store, this.#leaseMs, this.#signal) };
    return this.#writers.read;
  }

  /** Undefined when it cannot be read. */
  async #read(key: string): Promise<Pending | undefined> {
    try {
      return await readPendingAt(this.#store, key, this.#signal);
    } catch (error) {
      if (['not-found', 'integrity', 'unsupported', 'busy'].includes(failureOf(error))) return undefined;
      throw error;
    }
  }
}
