import type { Logger } from 'pino';
import type { EngineError } from '../../errors.ts';
import type { Budget } from '../../pipeline/byte-budget.ts';
import { BudgetBroker } from './budget-broker.ts';
import { Lane } from './lane.ts';
import type { LaneFigures } from './lane-figures.ts';
import type { FromLane, LaneStart } from './protocol.ts';

/** Looks at a lane that did not turn in between after which people are told, and after which it is ended. */
const SILENT_WARNING = 5;
const SILENT_END = 30;
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 30_000;
/** A lane that lasted so long did not end because of how it began. */
const LONG_MS = 60_000;

export interface LaneSlotOptions {
  readonly file: URL;
  readonly start: Omit<LaneStart, 'beat'>;
  readonly budget: Budget;
  readonly log: Logger;
  /** What the lane says that is not about its memory. */
  readonly onMessage: (slot: LaneSlot, message: FromLane) => void;
  readonly onLost: (number: number) => void;
}

/** The place of a lane: whose thread ends gets a new one. */
export class LaneSlot {
  readonly number: number;
  readonly #options: LaneSlotOptions;
  readonly #broker: BudgetBroker;
  #lane: Lane;
  #ready = false;
  #began = performance.now();
  #restarts = 0;
  /** Losses one soon after the other. */
  #losses = 0;
  #timer: NodeJS.Timeout | undefined;
  #closing = false;
  #beats = 0;
  #silent = 0;

  constructor(options: LaneSlotOptions) {
    this.number = options.start.lane;
    this.#options = options;
    this.#broker = new BudgetBroker(options.budget, (message) => this.#lane.send(message));
    this.#lane = this.#begin();
  }

  /** The lane, when it can be given work. */
  get lane(): Lane | undefined {
    return this.#ready && !this.#lane.gone ? this.#lane : undefined;
  }

  /** Resolves when the first thread is ready; rejects with why it never was. */
  async opened(): Promise<void> {
    await this.#lane.ready;
  }

  figures(lookMs: number): LaneFigures {
    const { load: images } = this.#lane;
    const restarts = this.#restarts;
    return { lane: this.number, images, restarts, silent: (this.#silent * lookMs) / 1000, ...this.#lane.read() };
  }

  /** Look whether the lane's loop turns. Counted, not timed: a process that was stopped as a whole has no silent lanes. */
  look(): void {
    const { beats, gone } = this.#lane;
    this.#silent = gone || !this.#ready || beats !== this.#beats ? 0 : this.#silent + 1;
    this.#beats = beats;
    const { log } = this.#options;
    if (this.#silent === SILENT_WARNING) log.warn({ lane: this.number }, 'a lane does not answer');
    if (this.#silent < SILENT_END) return;
    this.#silent = 0;
    void this.#lane.kill('it did not answer');
  }

  /** As {@link Lane.close}. */
  close(): Promise<boolean> {
    this.#closing = true;
    clearTimeout(this.#timer);
    return this.#lane.close();
  }

  #begin(): Lane {
    this.#ready = false;
    this.#began = performance.now();
    const { file, start, log } = this.#options;
    const lane = new Lane({
      file,
      start,
      log,
      onMessage: (message) => this.#hear(message),
      onLost: (error) => this.#lost(error),
    });
    lane.ready.then(
      () => {
        this.#ready = true;
      },
      () => undefined,
    );
    return lane;
  }

  #lost(error: EngineError): void {
    const { log, onLost } = this.#options;
    log.error(
      { err: error, lane: this.number, images: this.#lane.load },
      'a lane has ended; its images go on in another',
    );
    this.#broker.releaseAll();
    onLost(this.number);
    if (this.#closing) return;
    this.#losses = performance.now() - this.#began > LONG_MS ? 0 : this.#losses + 1;
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#losses);
    this.#timer = setTimeout(() => {
      this.#restarts += 1;
      this.#beats = 0;
      this.#lane = this.#begin();
    }, pause);
  }

  #hear(message: FromLane): void {
    switch (message.say) {
      case 'take':
        void this.#broker.take(message);
        break;
      case 'keep':
        this.#broker.keep(message);
        break;
      case 'reserve':
        this.#broker.reserve(message);
        break;
      case 'unreserve':
        this.#broker.unreserve(message.reserve);
        break;
      case 'idle':
        this.#broker.idle = message.bytes;
        break;
      default:
        this.#options.onMessage(this, message);
    }
  }
}
