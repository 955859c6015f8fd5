import type { Steps } from '../../src/chaos/kill-switch.ts';
import type { ObjectStore, Retention, Upload } from '../../src/vast/store.ts';
import { wrapStore } from '../support/wrap-store.ts';

/** What every operation on a store says when the process that called it is dead. */
export class Dead extends Error {
  override name = 'Dead';
}

/**
 * Stops a simulated engine at its n-th step. A step is an operation on the store, before it has an effect or after it, or a write to the
 * journal region (`steppedJournal`), of which only the first half may arrive. `onStop` runs at that very moment, to keep what survives; after it
 * the store does nothing for this engine any more.
 */
export class Killer implements Steps {
  readonly #at: number | string;
  readonly #onStop: () => void;
  #steps = 0;
  dead = false;
  /** Where it was stopped. */
  where = '';

  /** @param at the number of the step, from 1, or the first one so named; 0 for never. */
  constructor(at: number | string, onStop: () => void) {
    this.#at = at;
    this.#onStop = onStop;
  }

  get steps(): number {
    return this.#steps;
  }

  /** One step; whether it is the last one. */
  step(where: string): boolean {
    if (this.dead) return true;
    this.#steps += 1;
    if (this.#at !== this.#steps && this.#at !== where) return false;
    this.dead = true;
    this.where = where;
    this.#onStop();
    return true;
  }

  /** Run an operation, with a step before it and one after it. */
  async around<T>(where: string, run: () => Promise<T>): Promise<T> {
    if (this.dead || this.step(`before ${where}`)) throw new Dead();
    const result = await run();
    if (this.dead || this.step(`after ${where}`)) throw new Dead();
    return result;
  }

  store(inner: ObjectStore): ObjectStore {
    const name = (key: string): string => key.split('/').at(-1) ?? key;
    const alive = (): void => {
      if (this.dead) throw new Dead();
    };
    const upload = (of: Upload): Upload => ({
      key: of.key,
      id: of.id,
      putPart: (part, options) =>
        this.around(`part ${part.number} of ${name(of.key)}`, () => of.putPart(part, options)),
      listParts: async (options) => {
        alive();
        return of.listParts(options);
      },
      complete: (parts, options) => this.around(`complete ${name(of.key)}`, () => of.complete(parts, options)),
      abort: (options) => this.around(`abort ${name(of.key)}`, () => of.abort(options)),
    });
    return wrapStore(inner, {
      put: (key, body, options) => this.around(`put ${name(key)}`, () => inner.put(key, body, options)),
      putStream: (key, body, options) => this.around(`put ${name(key)}`, () => inner.putStream(key, body, options)),
      delete: (keys, options) => this.around('delete', () => inner.delete(keys, options)),
      createUpload: async (key, options) =>
        upload(await this.around(`begin ${name(key)}`, () => inner.createUpload(key, options))),
      resumeUpload: (key, id) => upload(inner.resumeUpload(key, id)),
      head: async (key, options) => {
        alive();
        return inner.head(key, options);
      },
      read: async (key, offset, into, options) => {
        alive();
        return inner.read(key, offset, into, options);
      },
      list: (options) => {
        alive();
        return inner.list(options);
      },
      ...this.#retention(inner),
      listUploads: (prefix, options) => {
        alive();
        return inner.listUploads(prefix, options);
      },
    });
  }

  /** Each key that is locked is a step. */
  #retention({ retention }: ObjectStore): Partial<ObjectStore> {
    if (retention === undefined) return {};
    const extend: Retention['extend'] = async (keys, until, mode, options) => {
      for (const key of keys)
        await this.around(`lock ${key.split('/').at(-1)}`, () => retention.extend([key], until, mode, options));
    };
    const status: Retention['status'] = (options) => retention.status(options);
    const lockedUntil: Retention['lockedUntil'] = (key, options) => retention.lockedUntil(key, options);
    return { retention: { status, lockedUntil, extend } };
  }
}
