import { Writable } from 'node:stream';
import { abortError } from '../errors.ts';
import { StageClock } from './stage-clock.ts';

export interface ParallelSinkOptions<In> {
  readonly name: string;
  /** Items being consumed at the same time, at least 1; read afresh for every item, so it may change while running. */
  readonly concurrency: () => number;
  readonly consume: (item: In, signal: AbortSignal) => Promise<void>;
  /** Where the work notes its bytes. */
  readonly clock?: StageClock;
}

/** The end of a chain: consumes several items at once, in any order of completion; 'finish' means all are consumed. */
export class ParallelSink<In> extends Writable {
  readonly name: string;
  readonly clock: StageClock;
  readonly #options: ParallelSinkOptions<In>;
  readonly #abort = new AbortController();
  #running = 0;
  #blocked: ((error?: Error | null) => void) | undefined;
  #settled: (() => void) | undefined;

  constructor(options: ParallelSinkOptions<In>) {
    super({ objectMode: true, highWaterMark: 1 });
    this.name = options.name;
    this.clock = options.clock ?? new StageClock();
    this.#options = options;
  }

  /** Items being consumed now. */
  get running(): number {
    return this.#running;
  }

  override _write(item: In, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#running += 1;
    this.clock.begin();
    void this.#consume(item);
    if (this.#running < this.#options.concurrency()) callback();
    else this.#blocked = callback;
  }

  async #consume(item: In): Promise<void> {
    try {
      await this.#options.consume(item, this.#abort.signal);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
    this.#running -= 1;
    this.clock.end();
    const unblock = this.#blocked;
    if (unblock && this.#running < this.#options.concurrency()) {
      this.#blocked = undefined;
      unblock();
    }
    if (this.#running === 0) this.#settled?.();
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#running === 0) callback();
    else this.#settled = () => callback();
  }

  /** Closes only when nothing is being consumed any more, so that memory can be freed after 'close'. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort(error ?? undefined);
    // Whoever waits for the write to be taken in must learn that it never will be.
    this.#blocked?.(error ?? abortError(this.#abort.signal));
    this.#blocked = undefined;
    if (this.#running === 0) callback(error);
    else this.#settled = () => callback(error);
  }
}
