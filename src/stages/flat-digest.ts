import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { StageInstance } from '../pipeline/stage.ts';

/** Bytes copied to the worker per message; the copy is small beside the hash and bounds the memory. */
const SLICE_BYTES = 1024 * 1024;

interface Progress {
  readonly state: Uint8Array;
  readonly digest: Uint8Array;
}

/**
 * The plain SHA-256 of the whole image, as sha256sum prints it. It is sequential by nature and slow beside the tree hash, so it is
 * optional and runs in a worker of its own. Its {@link state} after each chunk can be stored and given to a
 * new instance, in another process, to go on.
 */
export class FlatDigest {
  readonly #worker: Worker;
  #latest: Progress | undefined;

  /** @param state what an earlier instance saved; absent for a new image. */
  constructor(state?: Uint8Array) {
    const file = import.meta.url.endsWith('.ts') ? './flat-digest-worker.ts' : './flat-digest-worker.js';
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: state ?? null });
    this.#worker.unref();
  }

  /** The stage that feeds it. Chunks pass through unchanged, after they have been hashed. */
  stage(): StageInstance {
    return {
      concurrency: 1,
      apply: async (chunk) => {
        for (const piece of chunk.pieces) {
          for (let at = 0; at < piece.byteLength; at += SLICE_BYTES)
            await this.#feed(piece.slice(at, at + SLICE_BYTES));
        }
        return chunk;
      },
      flush: async () => {
        if (this.#latest === undefined) await this.#feed(new Uint8Array(0));
      },
      close: async () => {
        await this.#worker.terminate();
      },
    };
  }

  async #feed(slice: Uint8Array<ArrayBuffer>): Promise<void> {
    const answer = once(this.#worker, 'message');
    this.#worker.postMessage([slice], [slice.buffer]);
    const [progress] = (await answer) as [Progress];
    this.#latest = progress;
  }

  /** State after the last chunk that passed, for {@link FlatDigest.constructor}; undefined before the first. */
  get state(): Uint8Array | undefined {
    return this.#latest?.state;
  }

  /** The digest of everything that passed so far. Defined once the chain has ended. */
  get digest(): Uint8Array | undefined {
    return this.#latest?.digest;
  }
}
