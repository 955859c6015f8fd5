import { abortError, EngineError } from '../../errors.ts';
import type { StageMeters } from '../../pipeline/stage-meters.ts';
import { bound } from '../../tracing/spans.ts';
import { type ImageMessage, LANE_LOST, type Lane, type LaneImageListener } from './lane.ts';
import { plainError } from './plain-error.ts';
import type { CallAnswers, CallOf, HandleCall, Opened } from './protocol.ts';
import { RemoteStages } from './remote-stages.ts';

/** How often an image may lose its lane: one that ends every lane that it comes to must not end them all. */
const MAX_MOVES = 2;

/** A handle in a lane. */
export interface Seat {
  readonly lane: Lane;
  readonly image: number;
  readonly opened: Opened;
  readonly mailbox: Mailbox;
}

/** Keeps what a lane says of an image until the image can listen: some of it comes before the answer that it is open. */
export class Mailbox implements LaneImageListener {
  #listener: LaneImageListener | undefined;
  #kept: ImageMessage[] = [];
  #error: EngineError | undefined;

  heard(message: ImageMessage): void {
    if (this.#listener === undefined) this.#kept.push(message);
    else this.#listener.heard(message);
  }

  lost(error: EngineError): void {
    this.#error = error;
    this.#listener?.lost(error);
  }

  /** From now on, and what came before. */
  deliver(listener: LaneImageListener): void {
    for (const message of this.#kept.splice(0)) listener.heard(message);
    this.#listener = listener;
    if (this.#error !== undefined) listener.lost(this.#error);
  }
}

export interface RemoteImageOptions {
  readonly meters: StageMeters;
  /** Of all images in the same storage. */
  readonly flow: StageMeters;
  readonly signal: AbortSignal | undefined;
  /** Open the image again, in another lane. */
  readonly move: () => Promise<Seat>;
  readonly heard: (message: ImageMessage) => void;
  /** It has a new handle, which knows nothing of what the old one was given since it was opened. */
  readonly onMoved: (seat: Seat) => void;
  /** It has none any more. */
  readonly onFailed: (error: EngineError) => void;
}

/**
 * The lane that an image is worked on in. When the lane ends, the image is taken up again in another one, as after a restart of the engine, and
 * what was asked meanwhile is asked there: the host notices nothing.
 */
export class RemoteImage {
  readonly #options: RemoteImageOptions;
  readonly #stages: RemoteStages;
  readonly #onAbort = (): void => this.#abort();
  #seat: Seat | undefined;
  #moving: Promise<Seat> | undefined;
  #moves = 0;
  #ended = false;

  constructor(options: RemoteImageOptions) {
    // What is done in the next lane belongs to the same trace.
    this.#options = { ...options, move: bound(options.move) };
    this.#stages = new RemoteStages(options.meters, options.flow);
  }

  /** Begin. */
  start(seat: Seat): void {
    this.#sit(seat);
    const { signal } = this.#options;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Where it is now; undefined while it moves. */
  get seat(): Seat | undefined {
    return this.#seat;
  }

  /** Ask the handle, and another one when its lane ends before it answers. */
  async call<K extends HandleCall['call']>(call: CallOf<K>, signal?: AbortSignal): Promise<CallAnswers[K]> {
    for (;;) {
      const seat = this.#seat ?? (await this.#moved());
      if (seat.opened === undefined) throw new EngineError('VOST_HANDLE_ENDED', 'usage', 'the image is complete');
      try {
        return await seat.lane.call(seat.image, call, signal);
      } catch (error) {
        if (!isLost(error) || !seat.lane.gone) throw error;
        if (signal?.aborted) throw abortError(signal);
      }
    }
  }

  /** The handle has ended, or nobody wants it any more. */
  end(): void {
    this.#ended = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#seat?.lane.forget(this.#seat.image);
    this.#stages.end();
  }

  #sit(seat: Seat): void {
    this.#seat = seat;
    seat.mailbox.deliver({
      heard: (message) => {
        if (message.say === 'stages') this.#stages.told(message.stages);
        else this.#options.heard(message);
      },
      lost: (error) => {
        if (this.#seat === seat) this.#lost(error);
      },
    });
  }

  #lost(error: EngineError): void {
    this.#seat = undefined;
    this.#stages.end();
    if (this.#ended) return;
    this.#moving = this.#move(error);
    this.#moving.catch(() => undefined);
  }

  async #moved(): Promise<Seat> {
    if (this.#moving === undefined) throw new EngineError(LANE_LOST, 'retryable', 'the image has no lane');
    return this.#moving;
  }

  async #move(lost: EngineError): Promise<Seat> {
    const { move, onMoved, onFailed, signal } = this.#options;
    for (let error = lost; ; ) {
      this.#moves += 1;
      try {
        if (signal?.aborted) throw abortError(signal);
        if (this.#moves > MAX_MOVES) throw error;
        const seat = await move();
        this.#sit(seat);
        onMoved(seat);
        return seat;
      } catch (cause) {
        const failure =
          cause instanceof EngineError
            ? cause
            : new EngineError('VOST_INTERNAL', 'internal', 'internal error', { cause });
        if (isLost(failure) && this.#moves <= MAX_MOVES) {
          error = failure;
          continue;
        }
        onFailed(failure);
        throw failure;
      }
    }
  }

  #abort(): void {
    const { signal } = this.#options;
    if (this.#seat === undefined || signal === undefined) return;
    this.#seat.lane.send({ say: 'abort', image: this.#seat.image, error: plainError(abortError(signal)) });
  }
}

export function isLost(error: unknown): boolean {
  return error instanceof EngineError && error.code === LANE_LOST;
}
