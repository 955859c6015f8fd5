import { Duplex } from 'node:stream';
import { abortError } from '../errors.ts';
import { StageClock } from './stage-clock.ts';

export interface OrderedTransformOptions<In, Out> {
  /** For error messages and metrics. */
  readonly name: string;
  /** Items worked on at the same time, at least 1; a function is asked afresh for every item, so it may change while running. */
  readonly concurrency: number | (() => number);
  /** Finished items that may wait for the next stage, and items that may wait to be started. Default 1. */
  readonly highWaterMark?: number;
  /** The work. It usually runs off the main thread; the signal fires when the pipeline is torn down. */
  readonly transform: (item: In, signal: AbortSignal) => Promise<Out> | Out;
  /** Called once after the last item, before the end is passed on. */
  readonly flush?: () => Promise<void>;
  /** Free what the stage itself holds (a worker); called exactly once, whatever happened. */
  readonly close?: () => Promise<void>;
  /** Where the work notes its bytes and its waits for memory. */
  readonly clock?: StageClock;
}

/**
 * A stage that works on several items at once and passes the results on in the order of the inputs.
 *
 * At most `concurrency` items are inside (being worked on, or finished and waiting for an earlier one or for
 * the reader) plus `highWaterMark` on either side. A finished item is pushed only while the reader
 * wants more, so a slow reader stops the stage instead of filling memory.
 */
export class OrderedTransform<In, Out> extends Duplex {
  readonly name: string;
  readonly clock: StageClock;
  readonly #options: OrderedTransformOptions<In, Out>;
  readonly #abort = new AbortController();
  /** Results in input order; undefined marks work still running. */
  readonly #inside: { result: Out | undefined; done: boolean }[] = [];
  #running = 0;
  #wanted = false;
  #ending: ((error?: Error | null) => void) | undefined;
  #blocked: ((error?: Error | null) => void) | undefined;
  #idle: (() => void) | undefined;

  constructor(options: OrderedTransformOptions<In, Out>) {
    const highWaterMark = options.highWaterMark ?? 1;
    super({ objectMode: true, readableHighWaterMark: highWaterMark, writableHighWaterMark: highWaterMark });
    this.name = options.name;
    this.clock = options.clock ?? new StageClock();
    this.#options = options;
  }

  get #concurrency(): number {
    const { concurrency } = this.#options;
    return typeof concurrency === 'number' ? concurrency : concurrency();
  }

  override _write(item: In, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const slot: { result: Out | undefined; done: boolean } = { result: undefined, done: false };
    this.#inside.push(slot);
    const full = this.#inside.length >= this.#concurrency;
    if (full) this.#blocked = callback;
    void this.#work(item, slot);
    if (!full) callback();
  }

  async #work(item: In, slot: { result: Out | undefined; done: boolean }): Promise<void> {
    this.#running += 1;
    this.clock.begin();
    try {
      slot.result = await this.#options.transform(item, this.#abort.signal);
      slot.done = true;
      this.#drain();
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#settle();
    }
  }

  #settle(): void {
    this.#running -= 1;
    this.clock.end();
    if (this.#running === 0) this.#idle?.();
  }

  #drain(): void {
    if (this.destroyed) return;
    while (this.#wanted && this.#inside[0]?.done) {
      const slot = this.#inside.shift();
      this.#wanted = this.push(slot?.result);
    }
    this.clock.hold(this.#inside[0]?.done === true);
    if (this.#inside.length < this.#concurrency && this.#blocked) {
      const unblock = this.#blocked;
      this.#blocked = undefined;
      unblock();
    }
    if (this.#ending && this.#inside.length === 0) {
      const end = this.#ending;
      this.#ending = undefined;
      void this.#flush(end);
    }
  }

  async #flush(end: (error?: Error | null) => void): Promise<void> {
    this.#running += 1;
    this.clock.begin();
    try {
      await this.#options.flush?.();
      this.push(null);
      end();
    } catch (error) {
      end(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#settle();
    }
  }

  override _read(): void {
    this.#wanted = true;
    this.#drain();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#ending = callback;
    this.#drain();
  }

  /** Closes only when no work is running any more, so that memory can be freed after 'close'. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort(error ?? undefined);
    // Whoever waits for the write to be taken in must learn that it never will be.
    this.#blocked?.(error ?? abortError(this.#abort.signal));
    this.#blocked = undefined;
    const finish = (): void => {
      (this.#options.close?.() ?? Promise.resolve()).then(
        () => callback(error),
        (closeError: unknown) => callback(error ?? (closeError as Error)),
      );
    };
    if (this.#running === 0) finish();
    else this.#idle = finish;
  }
}
