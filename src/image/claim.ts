import { randomUUID } from 'node:crypto';
import { EngineError } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { MANIFEST, PENDING } from './names.ts';
import { decodePending, encodePending, MAX_PENDING_BYTES, type Pending } from './pending.ts';
import { readObject } from './read-object.ts';

/**
 * A writer's claim on an image: its pending record. Stores offer no locks and no conditional writes
 * that we could rely on, so the claim is checked again right before the image is published: whoever finds another writer's record, or
 * a manifest, stops and leaves the other one's data alone.
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

  /** Refuses (`exists`) an image that is complete, and (`busy`) one that another writer has begun. */
  static async take(
    store: ObjectStore,
    prefix: string,
    about: Omit<Pending, 'format' | 'version' | 'writer' | 'created' | 'uploads'>,
    signal?: AbortSignal,
  ): Promise<Claim> {
    const [manifest, pending] = await Promise.all([
      store.head(`${prefix}${MANIFEST}`, { signal }),
      store.head(`${prefix}${PENDING}`, { signal }),
    ]);
    if (manifest) throw exists(prefix);
    if (pending) {
      throw new EngineError(
        'VOST_IMAGE_PENDING',
        'busy',
        `${prefix} is being written, or was left unfinished ${new Date(pending.modified).toISOString()}`,
        {
          advice: 'wait for the other backup, or delete the unfinished image',
        },
      );
    }
    const created = new Date().toISOString();
    return new Claim(store, prefix, {
      format: 'vast-ost-pending',
      version: 1,
      writer: randomUUID(),
      created,
      ...about,
      uploads: [],
    });
  }

  /** Whether the pending record is in storage. Images that fit one request never need it there. */
  get written(): boolean {
    return this.#written;
  }

  /** Whether {@link confirm} found the image in another writer's hands: its objects are not ours to delete. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Make an upload known. Durable when this resolves; concurrent calls are written one after the other. */
  addUpload(fragment: number, id: string): Promise<void> {
    const next = this.#queue.then(async () => {
      this.#record = { ...this.#record, uploads: [...this.#record.uploads, { fragment, id }] };
      this.#written = true;
      await this.#store.put(`${this.#prefix}${PENDING}`, [encodePending(this.#record)]);
    });
    this.#queue = next.catch(() => undefined);
    return next;
  }

  /** Throw unless the image is still ours to publish. */
  async confirm(signal?: AbortSignal): Promise<void> {
    if (await this.#store.head(`${this.#prefix}${MANIFEST}`, { signal })) {
      this.#lost = true;
      throw exists(this.#prefix);
    }
    if (!this.#written) return;
    const key = `${this.#prefix}${PENDING}`;
    const { writer } = decodePending(await readObject(this.#store, key, MAX_PENDING_BYTES, signal), key);
    if (writer === this.#record.writer) return;
    this.#lost = true;
    throw new EngineError('VOST_CLAIM_LOST', 'busy', `another writer has taken over ${this.#prefix}`);
  }
}

function exists(prefix: string): EngineError {
  return new EngineError(
    'VOST_IMAGE_EXISTS',
    'exists',
    `${prefix} is complete; a complete image is never written again`,
    {
      advice: 'choose another name or delete the image first',
    },
  );
}
