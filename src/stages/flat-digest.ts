import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { abortError, EngineError } from '../errors.ts';
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
  readonly #saved: Uint8Array | undefined;
  /** Fires when the worker is gone, with the reason. */
  readonly #gone = new AbortController();
  #worker: Worker | undefined;
  #latest: Progress | undefined;

  /** @param state what an earlier instance saved; absent for a new image. */
  constructor(state?: Uint8Array) {
    this.#saved = state;
  }

  /** The stage that feeds it. Chunks pass through unchanged, after they have been hashed. The worker lives from the first chunk to close. */
  stage(): StageInstance {
    return {
      concurrency: 1,
      apply: async (chunk, signal) => {
        let progress = this.#latest;
        for (const piece of chunk.pieces) {
          for (let at = 0; at < piece.byteLength; at += SLICE_BYTES) {
            if (signal.aborted) throw abortError(signal);
            progress = await this.#feed(piece.subarray(at, at + SLICE_BYTES));
          }
        }
        this.#latest = progress;
        return chunk;
      },
      flush: async () => {
        this.#latest ??= await this.#feed(new Uint8Array(0));
      },
      close: async () => {
        await this.#worker?.terminate();
      },
    };
  }

  async #feed(slice: Uint8Array): Promise<Progress> {
    this.#worker ??= this.#start();
    const copy = new Uint8Array(slice);
    const { signal } = this.#gone;
    try {
      const answer = once(this.#worker, 'message', { signal });
      this.#worker.postMessage(copy, [copy.buffer]);
      const [progress] = (await answer) as [Progress];
      return progress;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './flat-digest-worker.ts' : './flat-digest-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#saved ?? null });
    const gone = (cause?: unknown): void =>
      this.#gone.abort(
        new EngineError('VOST_FLAT_DIGEST', 'internal', 'the worker that hashes the image has ended', { cause }),
      );
    worker.on('error', gone);
    worker.on('exit', () => gone());
    return worker;
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
