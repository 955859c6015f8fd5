import { randomUUID } from 'node:crypto';
import { EngineError, failureOf } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { MANIFEST, PENDING } from './names.ts';
import { decodePending, encodePending, type HandleRecord, MAX_PENDING_BYTES, type Pending } from './pending.ts';
import { readRecord } from './read-record.ts';

/** What a pending record says about the image itself. */
export type AboutImage = Omit<Pending, 'format' | 'version' | 'writer' | 'created' | 'uploads' | 'handle'>;

/**
 * A writer's claim on an image: its pending record. Stores offer no locks and no conditional writes
 * that we could rely on, so the claim is checked again before every change of the record and right before the image is published: whoever
 * finds another writer's record, or a manifest, stops and leaves the other one's data alone.
 */
export class Claim {
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
      store.head(`${prefix}${PENDING}`, { signal }),
    ]);
    if (manifest) throw imageExists(prefix);
    // A resent request of the same handle, whose first answer was lost, goes on with its own record.
    const own = pending !== undefined && (await creatorOf(store, prefix, signal)) === handle?.creator;
    if (pending !== undefined && (handle === undefined || !own)) {
      const since = new Date(pending.modified).toISOString();
      const message = `${prefix} is being written, or was left unfinished ${since}`;
      const advice = 'wait for the other backup, or delete the unfinished image';
      throw new EngineError('VOST_IMAGE_PENDING', 'exists', message, { advice });
    }
    const claim = new Claim(store, prefix, {
      format: 'vast-ost-pending',
      version: 1,
      writer: randomUUID(),
      created: new Date().toISOString(),
      ...about,
      uploads: [],
      ...(handle ? { handle } : {}),
    });
    if (handle) await claim.#put(signal);
    return claim;
  }

  /** Take an unfinished image over, with the record that was found: from now on whoever had it notices. Durable when this resolves. */
  static async takeOver(
    store: ObjectStore,
    prefix: string,
    found: Pending,
    handle: HandleRecord,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const claim = new Claim(store, prefix, { ...found, writer: randomUUID(), handle });
    await claim.#put(signal);
    return claim;
  }

  /** What the record says, or will say when it is written. */
  get record(): Pending {
    return this.#record;
  }

  /** Whether the pending record is in storage. Images that fit one request never need it there. */
  get written(): boolean {
    return this.#written;
  }

  /** Whether {@link confirm} found the image in another writer's hands: its objects are not ours to delete. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Make an upload known. Durable when this resolves. */
  addUpload(fragment: number, id: string): Promise<void> {
    return this.update(({ uploads }) => ({ uploads: [...uploads, { fragment, id }] }));
  }

  /** Change the record, unless it is no longer ours. Durable when this resolves; concurrent calls happen one after the other. */
  update(change: (record: Pending) => Partial<Pending>, signal?: AbortSignal): Promise<void> {
    const next = this.#queue.then(async () => {
      if (this.#written) await this.confirm(signal);
      this.#record = { ...this.#record, ...change(this.#record) };
      await this.#put(signal);
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
    const { writer } = await readPending(this.#store, this.#prefix, signal);
    if (writer === this.#record.writer) return;
    this.#lost = true;
    throw new EngineError('VOST_CLAIM_LOST', 'busy', `another writer has taken over ${this.#prefix}`);
  }

  async #put(signal: AbortSignal | undefined): Promise<void> {
    this.#written = true;
    await this.#store.put(`${this.#prefix}${PENDING}`, [encodePending(this.#record)], { signal });
  }
}

/** Read an image's pending record. Throws `not-found`, `integrity`, `unsupported`. */
export async function readPending(store: ObjectStore, prefix: string, signal?: AbortSignal): Promise<Pending> {
  const key = `${prefix}${PENDING}`;
  return await readRecord(store, key, MAX_PENDING_BYTES, decodePending, signal);
}

/** Undefined when the record cannot be made sense of, or is gone already: then it is another's. */
async function creatorOf(
  store: ObjectStore,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    return (await readPending(store, prefix, signal)).handle?.creator;
  } catch (error) {
    if (['not-found', 'integrity', 'unsupported'].includes(failureOf(error))) return undefined;
    throw error;
  }
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
