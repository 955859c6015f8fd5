import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { EngineError } from '../errors.ts';
import type { ObjectStore, PartInfo, Upload } from '../vast/store.ts';
import { claimTaken, imageComplete, imageExists, imagePending } from './claim-errors.ts';
import { MANIFEST } from './names.ts';
import { succession } from './object-names.ts';
import { encodePending, type HandleRecord, type Pending } from './pending.ts';
import { latestPending, lookAt, pendingKey, pendingRecords, readPendingAt, recordAt } from './pending-records.ts';

/** What a pending record says about the image itself. */
export type AboutImage = Omit<Pending, 'format' | 'version' | 'writer' | 'created' | 'uploads' | 'fence' | 'handle'>;

/**
 * A writer's claim on an image: its pending record. Stores offer no locks and no conditional writes that we could rely on, so the claim is checked
 * again before every change of the record and, unless it is certain, right before the image is published: whoever finds another writer's
 * record, or a manifest, stops and leaves the other one's data alone.
 *
 * An image that can be continued is committed by completing an upload of its manifest, which its record names: the fence. An upload is completed or
 * aborted, never both, so whoever aborts the fence knows that the writer before it commits nothing any more, however late it
 * comes back (docs/decisions/0013-silent-writers.md). Writers that begin the same image see each other by their fences
 * (docs/decisions/0019-small-images.md).
 */
export class Claim {
  /** When it was made, by the monotonic clock. */
  readonly since = performance.now();
  readonly #store: ObjectStore;
  readonly #prefix: string;
  #record: Pending;
  /** The present record as storage marks it. */
  #etag = '';
  #fence: Upload | undefined;
  /** The manifest in the fence, which nobody sees yet. */
  #sent: PartInfo | undefined;
  #certain = false;
  #written = false;
  #lost = false;
  #queue: Promise<void> = Promise.resolve();

  private constructor(store: ObjectStore, prefix: string, record: Pending) {
    this.#store = store;
    this.#prefix = prefix;
    this.#record = record;
  }

  /** Claim a new image that cannot be continued. Refuses (`exists`) one that is there already. Nothing is written before the first upload. */
  static async take(store: ObjectStore, prefix: string, about: AboutImage, signal?: AbortSignal): Promise<Claim> {
    const { complete, records } = await lookAt(store, prefix, signal);
    if (complete) throw imageExists(prefix);
    const record = records.at(-1);
    if (record !== undefined) throw imagePending(prefix, record);
    return new Claim(store, prefix, newRecord(about));
  }

  /**
   * Claim a new image that can be continued: the record is durable when this resolves. Refuses (`exists`) one that is there already, complete or
   * unfinished.
   *
   * Of two that begin at the same time, who sees the other's fence takes a term, so that no bytes of the two mix, and aborts it; who sees none is
   * certain that nothing but its fence decides.
   */
  static async begin(
    store: ObjectStore,
    prefix: string,
    about: AboutImage,
    handle: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const look = async (): Promise<Pending | undefined> => {
      const { complete, records } = await lookAt(store, prefix, signal);
      if (complete) throw imageExists(prefix);
      const record = records.at(-1);
      // A resent request of the same handle, whose first answer was lost, goes on with its own record.
      const own = record && (await recordAt(store, record.key, signal));
      if (record !== undefined && (own === undefined || own.handle?.creator !== handle.creator))
        throw imagePending(prefix, record);
      return own;
    };
    const { fence, rivals, seen: own } = await challenge(store, prefix, undefined, look, signal);
    const terms = own === undefined && rivals ? succession(handle) : own?.handle?.terms;
    const claim = new Claim(store, prefix, {
      ...newRecord(about),
      fence: fence.id,
      handle: { ...handle, ...(terms ? { terms } : {}) },
    });
    claim.#fence = fence;
    claim.#certain = own === undefined && !rivals;
    await claim.#put(signal);
    if (own?.fence !== undefined) await claim.#upload(own.fence).abort({ signal });
    if (own === undefined && rivals) await claim.#prevail(undefined, signal);
    return claim;
  }

  /**
   * Take over an image that nobody has open, with the record that was found. Durable when this resolves. Throws `busy` when the record has changed, or
   * somebody else takes it at the same time; `access` (VOST_IMAGE_COMPLETE) when it was committed meanwhile.
   */
  static async takeOver(
    store: ObjectStore,
    prefix: string,
    found: Pending,
    handle: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const look = async (): Promise<void> => {
      const { complete, records } = await lookAt(store, prefix, signal);
      if (complete) throw imageComplete(prefix);
      const record = records.at(-1);
      if (record === undefined || !isDeepStrictEqual(await recordAt(store, record.key, signal), found))
        throw claimTaken(prefix);
    };
    const { fence, rivals } = await challenge(store, prefix, found.fence, look, signal);
    const claim = new Claim(store, prefix, {
      ...found,
      writer: randomUUID(),
      uploads: [],
      fence: fence.id,
      handle: rivals ? { ...handle, terms: succession(handle) } : handle,
    });
    claim.#fence = fence;
    await claim.#put(signal);
    if (found.fence !== undefined) await claim.#upload(found.fence).abort({ signal });
    if (rivals) await claim.#prevail(found, signal);
    return claim;
  }

  /**
   * Go on with a claim whose process died: from now on that process, should it live, commits nothing. What it had committed until then is there when
   * this resolves.
   */
  static async attach(
    store: ObjectStore,
    prefix: string,
    found: Pending,
    handle: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const claim = new Claim(store, prefix, { ...found, writer: randomUUID(), handle });
    await claim.#renew(found.fence, signal);
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
    await claim.#renew(undefined, signal);
    await claim.#prevail(found, signal);
    return claim;
  }

  /** What the record says, or will say when it is written. */
  get record(): Pending {
    return this.#record;
  }

  /** Whether nobody but who aborts the fence can come between this writer and its commit: then nothing needs to be looked at before it. */
  get certain(): boolean {
    return this.#certain;
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
    const { complete, records } = await lookAt(this.#store, this.#prefix, signal);
    if (complete) {
      this.#lost = true;
      throw imageExists(this.#prefix);
    }
    const latest = records.at(-1);
    if (latest !== undefined && (!this.#written || latest.key > this.#key)) throw this.#gone();
    if (!this.#written) return;
    const own = latest?.key === this.#key ? latest : undefined;
    if (own !== undefined && own.etag !== '' && own.etag === this.#etag) return;
    const { writer } = await readPendingAt(this.#store, this.#key, signal, own);
    if (writer !== this.#record.writer) throw this.#gone();
  }

  /** Send the manifest ahead of {@link publish}; nobody sees it before that. */
  async send(manifest: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { fence } = this.#record;
    if (fence === undefined) return;
    try {
      this.#sent = await putManifest(this.#upload(fence), manifest, signal);
    } catch (error) {
      // What that means is for publish to find out.
      if (!isUploadGone(error)) throw error;
    }
  }

  /** Make the image exist, by the manifest that was sent ahead, if one was. Not stopped by a signal: from here on it may be visible. */
  async publish(manifest: Uint8Array): Promise<void> {
    const { fence } = this.#record;
    if (fence === undefined) {
      await this.#store.put(`${this.#prefix}${MANIFEST}`, [manifest]);
      return;
    }
    try {
      const upload = this.#upload(fence);
      await upload.complete([this.#sent ?? (await putManifest(upload, manifest))]);
    } catch (error) {
      if (!isUploadGone(error)) throw error;
      // Whoever takes an image over, or deletes it, shows that in the records. Stores and gc drop old uploads as well.
      await this.confirm();
      await this.#commitAnew(manifest);
    }
  }

  /**
   * Commit by another upload. No record names it, since writing one could bring back an image that is being deleted; whoever changes the records
   * after the look here looks for such uploads afterwards. Who began the image when our fence was gone already saw nobody: its fence goes first.
   */
  async #commitAnew(manifest: Uint8Array): Promise<void> {
    const fence = await this.#store.createUpload(`${this.#prefix}${MANIFEST}`);
    try {
      await this.#abortOthers(fence);
      await this.confirm();
      await fence.complete([await putManifest(fence, manifest)]);
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
      await this.#upload(fence)
        .abort()
        .catch(() => undefined);
  }

  get #key(): string {
    return pendingKey(this.#prefix, this.#record.handle?.terms?.at(-1)?.term);
  }

  /** An upload of the manifest. */
  #upload(id: string): Upload {
    return this.#fence?.id === id ? this.#fence : this.#store.resumeUpload(`${this.#prefix}${MANIFEST}`, id);
  }

  /** A fence and the record that names it; the one before commits nothing any more. */
  async #renew(before: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    this.#fence = await this.#store.createUpload(`${this.#prefix}${MANIFEST}`, { signal });
    this.#record = { ...this.#record, fence: this.#fence.id };
    await this.#put(signal);
    if (before !== undefined) await this.#upload(before).abort({ signal });
  }

  /**
   * From now on no writer of a lower term commits: their fences are aborted. Drops the claim and throws when one had done so, or when somebody has a
   * higher term.
   *
   * @param found the record of the writer that the image is taken from, as it must be still; none when it is begun.
   */
  async #prevail(found: Pending | undefined, signal: AbortSignal | undefined): Promise<void> {
    const manifest = `${this.#prefix}${MANIFEST}`;
    try {
      const records = await pendingRecords(this.#store, this.#prefix, signal);
      if (records.at(-1)?.key !== this.#key) throw claimTaken(this.#prefix);
      const before = found && pendingKey(this.#prefix, found.handle?.terms?.at(-1)?.term);
      for (const info of records) {
        const { key } = info;
        if (key === this.#key) continue;
        const record = await recordAt(this.#store, key, signal);
        if (key === before && !isDeepStrictEqual(record, found)) throw claimTaken(this.#prefix);
        // Its writer was told that it is kept, or sees our record before it is.
        if (found === undefined && record?.handle?.open === false) throw imagePending(this.#prefix, info);
        if (record?.fence !== undefined) await this.#upload(record.fence).abort({ signal });
      }
      await this.#abortOthers(this.#fence, signal);
      if (await this.#store.head(manifest, { signal }))
        throw found === undefined ? imageExists(this.#prefix) : imageComplete(this.#prefix);
    } catch (error) {
      await this.drop();
      throw error;
    }
  }

  /** Abort every upload of the manifest but this one. */
  async #abortOthers(ours: Upload | undefined, signal?: AbortSignal): Promise<void> {
    for await (const { key, id } of this.#store.listUploads(`${this.#prefix}${MANIFEST}`, { signal }))
      if (id !== ours?.id) await this.#store.resumeUpload(key, id).abort({ signal });
  }

  /** Throw when somebody has a higher term. */
  async #checkLatest(signal: AbortSignal | undefined): Promise<void> {
    const latest = await latestPending(this.#store, this.#prefix, signal);
    if (latest !== undefined && latest.key > this.#key) throw this.#gone();
  }

  #gone(cause?: unknown): EngineError {
    this.#lost = true;
    return claimTaken(this.#prefix, cause);
  }

  async #put(signal: AbortSignal | undefined): Promise<void> {
    this.#written = true;
    const { etag } = await this.#store.put(this.#key, [encodePending(this.#record)], { signal });
    this.#etag = etag;
  }
}

/**
 * Make a fence, and only then look for others: of two that do so at the same time at least one sees the other's, unless that one has ended by then,
 * which `look` shows.
 *
 * @param known a fence that is no rival's.
 */
async function challenge<T>(
  store: ObjectStore,
  prefix: string,
  known: string | undefined,
  look: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<{ readonly fence: Upload; readonly rivals: boolean; readonly seen: T }> {
  const fence = await store.createUpload(`${prefix}${MANIFEST}`, { signal });
  try {
    let rivals = false;
    for await (const { id } of store.listUploads(fence.key, { signal })) rivals ||= id !== fence.id && id !== known;
    return { fence, rivals, seen: await look() };
  } catch (error) {
    await fence.abort().catch(() => undefined);
    throw error;
  }
}

function newRecord(about: AboutImage): Pending {
  const created = new Date().toISOString();
  return { format: 'vast-ost-pending', version: 1, writer: randomUUID(), created, ...about, uploads: [] };
}

function putManifest(fence: Upload, manifest: Uint8Array, signal?: AbortSignal): Promise<PartInfo> {
  return fence.putPart({ number: 1, offset: 0, body: [manifest], size: manifest.byteLength }, { signal });
}

/** Whether an upload is there no more. */
export function isUploadGone(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'VOST_NO_SUCH_UPLOAD';
}
