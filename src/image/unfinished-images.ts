import { failureOf } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { LivingWriters } from './living-writers.ts';
import { imagePrefix, MANIFEST } from './names.ts';
import type { Pending } from './pending.ts';
import { latestPending, pendingRecords, readPendingAt } from './pending-records.ts';
import type { ImageFolder } from './scan.ts';

/** How old may be what engines said of their writers, milliseconds. */
const YOUNG_MS = 10_000;

/**
 * What unfinished images need, as they are now: a collection may take hours, and images begin and go on meanwhile. So whatever is about to be
 * removed is looked at here right before.
 */
export class UnfinishedImages {
  readonly #store: ObjectStore;
  readonly #signal: AbortSignal | undefined;
  #writers: { readonly at: number; readonly read: Promise<LivingWriters> } | undefined;

  constructor(store: ObjectStore, signal: AbortSignal | undefined) {
    this.#store = store;
    this.#signal = signal;
  }

  /** Somebody has begun the image, or it is complete. */
  async isClaimed(imageId: string): Promise<boolean> {
    const prefix = imagePrefix(imageId);
    if ((await latestPending(this.#store, prefix, this.#signal)) !== undefined) return true;
    return (await this.#store.head(`${prefix}${MANIFEST}`, { signal: this.#signal })) !== undefined;
  }

  /** Its writer has it open, and an engine vouches for that one. */
  async isAlive(imageId: string): Promise<boolean> {
    const latest = await latestPending(this.#store, imagePrefix(imageId), this.#signal);
    return latest !== undefined && (await this.#isWritten(await this.#read(latest.key)));
  }

  /** The image needs the upload: a record names it, or its writer is at work and may not have named it yet. */
  async needs(imageId: string, upload: string): Promise<boolean> {
    const records = await pendingRecords(this.#store, imagePrefix(imageId), this.#signal);
    for (const [nth, { key }] of records.entries()) {
      const record = await this.#read(key);
      if (record === undefined || record.fence === upload || record.uploads.some(({ id }) => id === upload))
        return true;
      if (nth === records.length - 1 && (await this.#isWritten(record))) return true;
    }
    return false;
  }

  /** Nobody has written to its record, or completed it, since it was listed. */
  async isAsListed({ imageId, objects, record }: ImageFolder): Promise<boolean> {
    const prefix = imagePrefix(imageId);
    const latest = await latestPending(this.#store, prefix, this.#signal);
    const listed = objects.get(record);
    if (latest?.key !== listed?.key || latest?.modified !== listed?.modified || latest?.size !== listed?.size)
      return false;
    return (await this.#store.head(`${prefix}${MANIFEST}`, { signal: this.#signal })) === undefined;
  }

  async #isWritten(record: Pending | undefined): Promise<boolean> {
    const { open, creator } = record?.handle ?? {};
    if (!open || creator === undefined) return false;
    // Their word counts, not how old the record is: that is what whoever collects decides on.
    return !(await this.#living()).isSilent(creator, 0);
  }

  #living(): Promise<LivingWriters> {
    const now = performance.now();
    if (this.#writers === undefined || now - this.#writers.at > YOUNG_MS)
      this.#writers = { at: now, read: LivingWriters.read(this.#store, 0, this.#signal) };
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
