import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { abortError, EngineError } from '../../errors.ts';
import type { Manifest } from '../../image/manifest.ts';
import { spanToTell } from '../../tracing/spans.ts';
import { within } from '../within.ts';
import { Outbox } from './outbox.ts';
import { errorOf, plainError } from './plain-error.ts';
import {
  BEAT,
  BEAT_FIELDS,
  type CallAnswers,
  type CallOf,
  DELAY_QUANTILES,
  type FromLane,
  type HandleCall,
  type LaneContext,
  type LaneCopy,
  type LaneRequest,
  type LaneStart,
  type Opened,
  type Opening,
  type ToLane,
} from './protocol.ts';

/** How long a lane that was told to end may take, and one that is ended where it stands, milliseconds. */
const END_MS = 10_000;
const KILL_MS = 2_000;

/** Messages about one image. */
export type ImageMessage = Extract<FromLane, { readonly image: number }>;

export interface LaneImageListener {
  heard(message: ImageMessage): void;
  /** The lane has gone: nothing of it touches memory any more, and nothing more will be heard. */
  lost(error: EngineError): void;
}

export interface LaneOptions {
  readonly file: URL;
  readonly start: Omit<LaneStart, 'beat'>;
  readonly log: Logger;
  /** What is said that concerns no image and is no answer. */
  readonly onMessage: (message: FromLane) => void;
  /** Called once, when the thread has ended though nobody wanted that. */
  readonly onLost: (error: EngineError) => void;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What a request is answered with when its lane has gone. */
export const LANE_LOST = 'VOST_LANE_LOST';

/** One worker thread, as the main thread sees it. */
export class Lane {
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #options: LaneOptions;
  readonly #outbox: Outbox<ToLane>;
  readonly #beat = new Float64Array(new SharedArrayBuffer(BEAT_FIELDS * Float64Array.BYTES_PER_ELEMENT));
  readonly #images = new Map<number, LaneImageListener>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #exit: Promise<void>;
  readonly #begun = Promise.withResolvers<void>();
  #cause: unknown;
  #gone: EngineError | undefined;
  #ending = false;
  #numbers = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    const { buffer } = this.#beat;
    const workerData = { ...options.start, beat: buffer as SharedArrayBuffer } satisfies LaneStart;
    // What Node was told of the main thread (loaders of tests) is not for lanes; what V8 was told is for the process.
    const execArgv = ['--report-exclude-env'];
    this.#worker = new Worker(options.file, { workerData, execArgv, name: `lane ${options.start.lane}` });
    this.#outbox = new Outbox((batch) => this.#worker.postMessage(batch));
    this.ready = this.#begun.promise;
    this.#worker.on('message', (batch: readonly FromLane[]) => {
      for (const message of batch) this.#hear(message);
    });
    this.#worker.on('error', (error) => {
      this.#cause ??= error;
    });
    this.#exit = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#lose();
        resolve();
      });
    });
  }

  /** Open images and copies. */
  get load(): number {
    return this.#images.size;
  }

  get gone(): boolean {
    return this.#gone !== undefined;
  }

  /** How often it has been heard. */
  get beats(): number {
    return this.#beat[BEAT.count] ?? 0;
  }

  /** What it says of its loop. */
  read(): { readonly delays: (readonly [number, number])[]; readonly active: number; readonly heapBytes: number } {
    return {
      delays: DELAY_QUANTILES.map((quantile, at) => [quantile, this.#beat[BEAT.delays + at] ?? 0]),
      active: (this.#beat[BEAT.active] ?? 0) / 1000,
      heapBytes: this.#beat[BEAT.heapBytes] ?? 0,
    };
  }

  /** Hear of an image from now on. */
  listen(image: number, listener: LaneImageListener): void {
    this.#images.set(image, listener);
  }

  forget(image: number): void {
    this.#images.delete(image);
  }

  send(message: ToLane): void {
    if (this.#gone === undefined) this.#outbox.send(message);
  }

  /** Open an image. Rejects, as all that is asked, with what the lane says, or with {@link LANE_LOST}. */
  open(image: number, context: LaneContext, opening: Opening, signal: AbortSignal | undefined): Promise<Opened> {
    return this.#request(image, { ask: 'open', context, opening, span: spanToTell() }, signal) as Promise<Opened>;
  }

  copy(image: number, copy: LaneCopy, signal: AbortSignal | undefined): Promise<Manifest> {
    return this.#request(image, { ask: 'copy', copy, span: spanToTell() }, signal) as Promise<Manifest>;
  }

  /** Call a handle. */
  call<K extends HandleCall['call']>(image: number, call: CallOf<K>, signal?: AbortSignal): Promise<CallAnswers[K]> {
    const request = { ask: 'call', ...(call as HandleCall) } as const;
    return this.#request(image, request, signal) as Promise<CallAnswers[K]>;
  }

  /** A fired signal is told to the lane, whose answer is still waited for: until then it may touch the caller's memory. */
  #request(image: number, request: LaneRequest, signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined || signal?.aborted) {
        reject(this.#gone ?? abortError(signal as AbortSignal));
        return;
      }
      this.#numbers += 1;
      const id = this.#numbers;
      const onAbort = (): void =>
        this.send({ say: 'cancel', id, error: plainError(abortError(signal as AbortSignal)) });
      const end = (): void => {
        this.#waiting.delete(id);
        signal?.removeEventListener('abort', onAbort);
      };
      this.#waiting.set(id, {
        resolve: (value) => {
          end();
          resolve(value);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.send({ say: 'request', id, image, ...request });
    });
  }

  /** End the thread; its images have ended, or are lost. Resolves to whether it ended: system calls that do not come back keep it. */
  async close(): Promise<boolean> {
    this.#ending = true;
    this.send({ say: 'end' });
    if (await within(this.#exit, END_MS)) return true;
    this.#options.log.warn({ lane: this.#options.start.lane }, 'a lane did not end in time');
    void this.#worker.terminate();
    return within(this.#exit, KILL_MS);
  }

  /** End the thread where it stands. What it worked on is lost to it. */
  async kill(reason: string): Promise<void> {
    this.#cause ??= new Error(reason);
    await this.#worker.terminate();
    await this.#exit;
  }

  #hear(message: FromLane): void {
    if (message.say === 'ready') this.#begun.resolve();
    else if (message.say === 'answer') this.#waiting.get(message.id)?.resolve(message.value);
    else if (message.say === 'error') this.#waiting.get(message.id)?.reject(errorOf(message.error));
    else if ('image' in message) this.#images.get(message.image)?.heard(message);
    else this.#options.onMessage(message);
  }

  #lose(): void {
    const { lane } = this.#options.start;
    const cause = this.#cause;
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    const error = new EngineError(LANE_LOST, 'retryable', `lane ${lane} of the engine has ended${why}`, {
      advice: 'the engine’s log says why; what was under way can be tried again',
      ...(cause === undefined ? {} : { cause }),
    });
    this.#gone = error;
    this.#begun.reject(cause instanceof EngineError ? cause : error);
    this.ready.catch(() => undefined);
    if (!this.#ending) this.#options.onLost(error);
    for (const { reject } of [...this.#waiting.values()]) reject(error);
    const images = [...this.#images.values()];
    this.#images.clear();
    for (const image of images) image.lost(error);
  }
}
