import { Duplex } from 'node:stream';
import { abortError } from '../errors.ts';
import { StageClock } from './stage-clock.ts';

/** Pass one result on; resolves when the next stage has room for more. */
export type Emit<Out> = (item: Out) => Promise<void>;

export interface StepTransformOptions<In, Out> {
  /** For error messages and metrics. */
  readonly name: string;
  /** Work on one item; may emit any number of results. The input's memory is free again when this resolves. */
  readonly step: (item: In, emit: Emit<Out>, signal: AbortSignal) => Promise<void> | undefined;
  /** Called once after the last item; may emit what was held back. */
  readonly finish?: (emit: Emit<Out>, signal: AbortSignal) => Promise<void>;
  /** Results that may wait for the next stage. Default 1. */
  readonly highWaterMark?: number;
  /** Where the steps note their bytes and their waits for memory. */
  readonly clock?: StageClock;
}

/**
 * A stage that takes one item at a time and emits none, one or many. Emitting waits for the reader, so even one
 * huge input cannot fill memory with outputs. A step that needs no waiting returns undefined and costs no promise; its time is not
 * measured either, because there may be very many of them.
 */
export class StepTransform<In, Out> extends Duplex {
  readonly name: string;
  readonly clock: StageClock;
  readonly #options: StepTransformOptions<In, Out>;
  readonly #abort = new AbortController();
  #running = false;
  #idle: (() => void) | undefined;
  #demand: (() => void) | undefined;

  constructor(options: StepTransformOptions<In, Out>) {
    const highWaterMark = options.highWaterMark ?? 1;
    super({ objectMode: true, readableHighWaterMark: highWaterMark, writableHighWaterMark: 1 });
    this.name = options.name;
    this.clock = options.clock ?? new StageClock();
    this.#options = options;
  }

  readonly #emit: Emit<Out> = async (item) => {
    if (this.#abort.signal.aborted) throw abortError(this.#abort.signal);
    if (this.push(item)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#demand = resolve;
    await this.clock.room(promise);
    if (this.#abort.signal.aborted) throw abortError(this.#abort.signal);
  };

  override _write(item: In, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    let waiting: Promise<void> | undefined;
    try {
      waiting = this.#options.step(item, this.#emit, this.#abort.signal);
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (waiting === undefined) callback();
    else this.#track(waiting, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    const done = (error?: Error | null): void => {
      if (!error) this.push(null);
      callback(error);
    };
    const { finish } = this.#options;
    if (finish === undefined) done();
    else this.#track((async () => finish(this.#emit, this.#abort.signal))(), done);
  }

  #track(work: Promise<void>, callback: (error?: Error | null) => void): void {
    this.#running = true;
    this.clock.begin();
    const settle = (error?: Error): void => {
      this.#running = false;
      this.clock.end();
      this.#idle?.();
      callback(error);
    };
    work.then(
      () => settle(),
      (error: unknown) => settle(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _read(): void {
    const demand = this.#demand;
    this.#demand = undefined;
    demand?.();
  }

  /** Closes only when no step is running any more, so that memory can be freed after 'close'. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort(error ?? undefined);
    this._read();
    if (this.#running) this.#idle = () => callback(error);
    else callback(error);
  }
}
