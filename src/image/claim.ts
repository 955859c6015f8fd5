import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { EngineError, failureOf } from '../errors.ts';
import type { ObjectInfo, ObjectStore, Upload } from '../vast/store.ts';
import { MANIFEST } from './names.ts';
import { encodePending, type HandleRecord, type Pending } from './pending.ts';
import { latestPending, pendingKey, pendingRecords, readPendingAt } from './pending-records.ts';

/** What a pending record says about the image itself. */
export type AboutImage = Omit<Pending, 'format' | 'version' | 'writer' | 'created' | 'uploads' | 'fence' | 'handle'>;

/**
 * A writer's claim on an image: its pending record. Stores offer no locks and no conditional writes that we could rely on, so the claim is checked
 * again before every change of the record and right before the image is published: whoever finds another writer's record, or a
 * manifest, stops and leaves the other one's data alone.
 *
 * An image that can be continued is committed by completing an upload of its manifest, which its record names: the fence. An upload is completed or
 * aborted, never both, so whoever aborts the fence knows that the writer before it commits nothing any more, however late it
 * comes back (docs/decisions/0013-silent-writers.md).
 */
export class Claim {
  /** When it was made, by the monotonic clock. */
  readonly since = performance.now();
  readonly #store: ObjectStore;
  readonly #prefix: string;
  #record: Pending;
  #written = false;
  #lost = false;
  #queue: Promise<void> = Promise.resolve();

  private constructor(store: ObjectStore, prefix: string, record: Pending) {
    this.#store = store;
    this.#prefix = prefix;
    this.#record = record;
  }

  /**
   * Claim a new image. Refuses (`exists`) one that is there already, complete or unfinished. Nothing is written before the first
   * upload, unless a `handle` says that the image can be continued: then the record is durable when this resolves.
   */
  static async take(
    store: ObjectStore,
    prefix: string,
    about: AboutImage,
    handle?: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const [manifest, pending] = await Promise.all([
      store.head(`${prefix}${MANIFEST}`, { signal }),
      latestPending(store, prefix, signal),
    ]);
    if (manifest) throw imageExists(prefix);
    // A resent request of the same handle, whose first answer was lost, goes on with its own record.
    const own = pending && handle && (await recordOf(store, pending.key, signal));
    if (pending !== undefined && (own === undefined || own.handle?.creator !== handle?.creator)) {
      const since = new Date(pending.modified).toISOString();
      const message = `${prefix} is being written, or was left unfinished ${since}`;
      const advice = 'wait for the other backup, or delete the unfinished image';
      throw new EngineError('VOST_IMAGE_PENDING', 'exists', message, { advice });
    }
    const terms = own?.handle?.terms;
    const claim = new Claim(store, prefix, {
      format: 'vast-ost-pending',
      version: 1,
      writer: randomUUID(),
      created: new Date().toISOString(),
      ...about,
      uploads: [],
      ...(handle ? { handle: { ...handle, ...(terms ? { terms } : {}) } } : {}),
    });
    if (handle) await claim.#begin(own?.fence, signal);
    return claim;
  }

  /** Take over an image that nobody has open, with the record that was found. Durable when this resolves. */
  static async takeOver(
    store: ObjectStore,
    prefix: string,
    found: Pending,
    handle: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const claim = new Claim(store, prefix, { ...found, writer: randomUUID(), uploads: [], handle });
    await claim.#begin(found.fence, signal);
    return claim;
  }

  /** Go on with a claim whose process died: from now on that process, should it live, notices. Durable when this resolves. */
  static async attach(
    store: ObjectStore,
    prefix: string,
    found: Pending,
    handle: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const claim = new Claim(store, prefix, { ...found, writer: randomUUID(), handle });
    if (found.fence === undefined) await claim.#begin(undefined, signal);
    else await claim.#put(signal);
    return claim;
  }

  /**
   * Take an image from a writer that left it open and may come back. The new claim has a term, and a record of its own, so nothing that the
   * other one still writes can hide it; then the other one's fence is aborted. Throws `busy` when the other one shows that it
   * lives, or when somebody else takes the image at the same time; `access` (VOST_IMAGE_COMPLETE) when it was committed meanwhile.
   */
  static async succeed(
    store: ObjectStore,
    prefix: string,
    found: Pending,
    handle: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const claim = new Claim(store, prefix, { ...found, writer: randomUUID(), uploads: [], handle });
    const own = claim.#key;
    await claim.#begin(undefined, signal);
    try {
      const records = await pendingRecords(store, prefix, signal);
      if (records.at(-1)?.key !== own) throw taken(prefix);
      const before = pendingKey(prefix, found.handle?.terms?.at(-1)?.term);
      for (const { key } of records) {
        if (key === own) continue;
        const record = await recordOf(store, key, signal);
        if (key === before && !isDeepStrictEqual(record, found)) throw taken(prefix);
        if (record?.fence !== undefined) await claim.#fence(record.fence).abort({ signal });
      }
      for await (const { key, id } of store.listUploads(`${prefix}${MANIFEST}`, { signal }))
        if (id !== claim.record.fence) await store.resumeUpload(key, id).abort({ signal });
      if (await store.head(`${prefix}${MANIFEST}`, { signal })) throw imageComplete(prefix);
      return claim;
    } catch (error) {
      await claim.drop();
      throw error;
    }
  }

  /** What the record says, or will say when it is written. */
  get record(): Pending {
    return this.#record;
  }

  /** Whether the pending record is in storage. Images that fit one request never need it there. */
  get written(): boolean {
    return this.#written;
  }

  /** Whether the image was found in another writer's hands: its objects are not ours to delete. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Make an upload known. Durable when this resolves. */
  addUpload(fragment: number, id: string): Promise<void> {
    return this.update(({ uploads }) => ({ uploads: [...uploads, { fragment, id }] }));
  }

  /**
   * Change the record, unless it is no longer ours. Durable when this resolves; concurrent calls happen one after the other.
   *
   * @param certain also look afterwards, so that whoever takes the image over from now on has seen the change.
   */
  update(change: (record: Pending) => Partial<Pending>, signal?: AbortSignal, certain = false): Promise<void> {
    const next = this.#queue.then(async () => {
      if (this.#written) await this.confirm(signal);
      this.#record = { ...this.#record, ...change(this.#record) };
      await this.#put(signal);
      if (certain) await this.#checkLatest(signal);
    });
    this.#queue = next.catch(() => undefined);
    return next;
  }

  /** Throw unless the image is still ours to publish. */
  async confirm(signal?: AbortSignal): Promise<void> {
    if (await this.#store.head(`${this.#prefix}${MANIFEST}`, { signal })) {
      this.#lost = true;
      throw imageExists(this.#prefix);
    }
    if (!this.#written) return;
    const latest = await this.#checkLatest(signal);
    const { writer } = await readPendingAt(this.#store, this.#key, signal, latest);
    if (writer !== this.#record.writer) throw this.#gone();
  }

  /** Make the image exist. Not stopped by a signal: from here on it may be visible. */
  async publish(manifest: Uint8Array): Promise<void> {
    const { fence } = this.#record;
    if (fence === undefined) {
      await this.#store.put(`${this.#prefix}${MANIFEST}`, [manifest]);
      return;
    }
    try {
      await commit(this.#fence(fence), manifest);
    } catch (error) {
      if (!isUploadGone(error)) throw error;
      // Whoever takes an image over, or deletes it, shows that in the records. Stores and gc drop old uploads as well.
      await this.confirm();
      await this.#commitAnew(manifest);
    }
  }

  /**
   * Commit by another upload. No record names it, since writing one could bring back an image that is being deleted; whoever changes the records
   * after the look here looks for such uploads afterwards.
   */
  async #commitAnew(manifest: Uint8Array): Promise<void> {
    const fence = await this.#store.createUpload(`${this.#prefix}${MANIFEST}`);
    try {
      await this.confirm();
      await commit(fence, manifest);
    } catch (error) {
      await fence.abort().catch(() => undefined);
      throw isUploadGone(error) ? this.#gone(error) : error;
    }
  }

  /** Remove the record. */
  async forget(): Promise<void> {
    await this.#store.delete([this.#key]);
  }

  /** Give up an image of which nobody can want anything; as well as it goes, gc knows what is left. */
  async drop(): Promise<void> {
    const { fence } = this.#record;
    await this.forget().catch(() => undefined);
    if (fence !== undefined)
      await this.#fence(fence)
        .abort()
        .catch(() => undefined);
  }

  get #key(): string {
    return pendingKey(this.#prefix, this.#record.handle?.terms?.at(-1)?.term);
  }

  #fence(id: string): Upload {
    return this.#store.resumeUpload(`${this.#prefix}${MANIFEST}`, id);
  }

  /** A fence and the record that names it; the one before commits nothing any more. */
  async #begin(before: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    const fence = await this.#store.createUpload(`${this.#prefix}${MANIFEST}`, { signal });
    this.#record = { ...this.#record, fence: fence.id };
    await this.#put(signal);
    if (before !== undefined) await this.#fence(before).abort({ signal });
  }

  /** Throw when somebody has a higher term; resolves to our record as it is listed. */
  async #checkLatest(signal: AbortSignal | undefined): Promise<ObjectInfo | undefined> {
    const latest = await latestPending(this.#store, this.#prefix, signal);
    if (latest !== undefined && latest.key > this.#key) throw this.#gone();
    return latest?.key === this.#key ? latest : undefined;
  }

  #gone(cause?: unknown): EngineError {
    this.#lost = true;
    return taken(this.#prefix, cause);
  }

  async #put(signal: AbortSignal | undefined): Promise<void> {
    this.#written = true;
    await this.#store.put(this.#key, [encodePending(this.#record)], { signal });
  }
}

async function commit(fence: Upload, manifest: Uint8Array): Promise<void> {
  const part = await fence.putPart({ number: 1, offset: 0, body: [manifest], size: manifest.byteLength });
  await fence.complete([part]);
}

/** Whether an upload is there no more. */
export function isUploadGone(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'VOST_NO_SUCH_UPLOAD';
}

function taken(prefix: string, cause?: unknown): EngineError {
  return new EngineError('VOST_CLAIM_LOST', 'busy', `another writer has taken over ${prefix}`, { cause });
}

/** Undefined when the record cannot be made sense of, or is gone already: then it is another's. */
async function recordOf(
  store: ObjectStore,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Pending | undefined> {
  try {
    return await readPendingAt(store, key, signal);
  } catch (error) {
    if (['not-found', 'integrity', 'unsupported'].includes(failureOf(error))) return undefined;
    throw error;
  }
}

/** A complete image cannot be continued. */
export function imageComplete(prefix: string): EngineError {
  const message = `${prefix} is complete; a complete image is never written again`;
  return new EngineError('VOST_IMAGE_COMPLETE', 'access', message);
}

export function imageExists(prefix: string): EngineError {
  return new EngineError(
    'VOST_IMAGE_EXISTS',
    'exists',
    `${prefix} is complete; a complete image is never written again`,
    {
      advice: 'choose another name or delete the image first',
    },
  );
}
