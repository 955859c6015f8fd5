import type { Duplex, Readable, Writable } from 'node:stream';
import { chainUnchecked } from 'stream-chain';
import { abortError, EngineError } from '../errors.ts';

export interface ChainOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when every stream has closed, before {@link Chain.done} settles: the place to free what is left. */
  readonly onClosed?: () => void;
}

/**
 * A running pipeline and the one owner of its teardown. stream-chain joins the stages; this class
 * watches all of them: the first error (of a stage, of the caller, of the signal) destroys every stage, waits until each
 * has closed, and surfaces once, with its cause, through {@link done}.
 *
 * Only streams with an explicit highWaterMark go in, never async functions: the items that a chain can hold, from being produced to
 * being consumed, are at most the sum over its streams of their marks (of both sides) and concurrency (1 unless the
 * stage says otherwise), whatever the stages do (test/pipeline/chain.test.ts).
 */
export class Chain<In> {
  /** Resolves when all streams have ended and closed; rejects with the first error. */
  readonly done: Promise<void>;
  readonly #input: Writable;
  readonly #streams: readonly (Readable | Writable)[];
  #firstError: Error | undefined;

  /** @param streams first a Readable source or a Duplex to write to, then the stages, last a Writable. */
  constructor(streams: readonly [Readable | Duplex, ...Duplex[], Writable], options: ChainOptions = {}) {
    this.#streams = streams;
    this.#input = streams[0] as Writable;
    const { signal } = options;
    const onAbort = (): void => this.#fail(abortError(signal as AbortSignal));
    const closed = streams.map((stream) => this.#watch(stream));
    const outer = chainUnchecked(streams, { skipEvents: true });
    outer.on('error', () => undefined);
    this.done = Promise.all(closed).then(() => {
      signal?.removeEventListener('abort', onAbort);
      outer.destroy();
      options.onClosed?.();
      if (this.#firstError) throw this.#firstError;
    });
    // Whoever awaits a write or the end learns of the error there; nobody has to listen to `done`.
    this.done.catch(() => undefined);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  }

  /** Hand one item to the first stage; resolves when that stage has taken it in and its memory is the caller's again. */
  async write(item: In): Promise<void> {
    // The stream would take this for an error of its own and tear everything down.
    if (this.#input.writableEnded) return this.#rethrow();
    const taken = await new Promise<boolean>((resolve) => this.#input.write(item, (error) => resolve(!error)));
    if (!taken) return this.#rethrow();
  }

  /** No more items: wait until everything has passed the last stage. */
  async end(): Promise<void> {
    this.#input.end();
    await this.done;
  }

  /** Tear down and wait until every stage has closed. Does not throw. */
  async abort(error: Error): Promise<void> {
    this.#fail(error);
    await this.done.catch(() => undefined);
  }

  /** The first error once everything has closed; there is none when the pipeline had been ended. */
  async #rethrow(): Promise<never> {
    await this.done;
    throw new EngineError('VOST_PIPELINE_ENDED', 'usage', 'write after the end of the pipeline');
  }

  #watch(stream: Readable | Writable): Promise<void> {
    stream.on('error', (error: Error) => this.#fail(error));
    return new Promise((resolve) => {
      stream.once('close', () => {
        if (!endedCleanly(stream)) {
          this.#fail(new EngineError('VOST_PIPELINE', 'internal', 'a stage closed before its input had ended'));
        }
        resolve();
      });
    });
  }

  #fail(error: Error): void {
    this.#firstError ??= error;
    for (const stream of this.#streams) stream.destroy();
  }
}

function endedCleanly(stream: Readable | Writable): boolean {
  if ('readableEnded' in stream && !stream.readableEnded) return false;
  if ('writableFinished' in stream && !stream.writableFinished) return false;
  return true;
}
