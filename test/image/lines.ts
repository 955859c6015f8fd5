import type { ObjectStore, Upload } from '../../src/vast/store.ts';
import { wrapStore } from '../support/wrap-store.ts';

/** Requests of several writers, which arrive one at a time, in an order of ours: one may be on its way for as long as we like. */
export class Lines {
  readonly #waiting: { who: number; go: () => void }[] = [];
  #arrival: (() => void) | undefined;

  /** The store as one writer has it. */
  of(store: ObjectStore, who: number): ObjectStore {
    const held =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        await this.#turn(who);
        return call(...args);
      };
    const upload = (inner: Upload): Upload => ({
      key: inner.key,
      id: inner.id,
      putPart: held((part, options) => inner.putPart(part, options)),
      listParts: held((options) => inner.listParts(options)),
      complete: held((parts, options) => inner.complete(parts, options)),
      abort: held((options) => inner.abort(options)),
    });
    const turn = (): Promise<void> => this.#turn(who);
    return wrapStore(store, {
      put: held((key, body, options) => store.put(key, body, options)),
      read: held((key, offset, into, options) => store.read(key, offset, into, options)),
      head: held((key, options) => store.head(key, options)),
      delete: held((keys, options) => store.delete(keys, options)),
      createUpload: held(async (key, options) => upload(await store.createUpload(key, options))),
      resumeUpload: (key, id) => upload(store.resumeUpload(key, id)),
      list: async function* (options) {
        await turn();
        yield* await Array.fromAsync(store.list(options));
      },
      listUploads: async function* (prefix, options) {
        await turn();
        yield* await Array.fromAsync(store.listUploads(prefix, options));
      },
    });
  }

  async #turn(who: number): Promise<void> {
    await new Promise<void>((go) => {
      this.#waiting.push({ who, go });
      this.#arrival?.();
    });
  }

  /** Let requests through until the work is done; `choose` says whose is next, of the writers that have one on its way. */
  async run(work: Promise<unknown>, choose: (writers: readonly number[]) => number): Promise<void> {
    let done = false;
    const ended = work.then(() => {
      done = true;
      this.#arrival?.();
    });
    while (!done) {
      // Everybody goes as far as possible without storage.
      await settle();
      if (this.#waiting.length === 0) {
        if (!done) await new Promise<void>((resolve) => (this.#arrival = resolve));
        this.#arrival = undefined;
        continue;
      }
      const who = choose([...new Set(this.#waiting.map((one) => one.who))]);
      const at = this.#waiting.findIndex((one) => one.who === who);
      this.#waiting.splice(at, 1)[0]?.go();
    }
    await ended;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
