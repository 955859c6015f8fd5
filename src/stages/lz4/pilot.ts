import type { StageMeters } from '../../pipeline/stage-meters.ts';
import { FlowWindow } from './flow-window.ts';
import { type Measures, type Mind, mayTry, nextMind, UNDECIDED } from './share.ts';

/** A change of mind, for the log. */
export interface Lz4Decision {
  readonly storage: string;
  /** Share of the chunks that are compressed, 0 to 1. */
  readonly from: number;
  readonly to: number;
  /** As in {@link Measures}. */
  readonly link: number;
  readonly sent: number;
  readonly speed: number | undefined;
}

/** What compressing took and made: bytes, and milliseconds of one thread among all that are at work. */
export interface Lz4Work {
  readonly bytes: number;
  readonly left: number;
  readonly milliseconds: number;
}

/** What to do with a chunk: `look` at how it would compress, and ask again. */
export type Verdict = 'store' | 'look' | 'compress';

/** Decides which chunks are compressed. */
export interface Pilot {
  /** An image begins. */
  begin(): void;
  /** What to do with the next chunk, of `length` bytes. */
  ask(length: number): Verdict;
  /** Data that becomes smaller was compressed. */
  saw(work: Lz4Work): void;
}

/** What older work counts after every new piece of it. */
const FADING = 0.5;

/**
 * Decides for all images in one storage which of their chunks are compressed: they share the way there, and the threads. It looks at the clocks
 * of their streams when a chunk comes and some time has passed; it has no timer.
 */
export class Lz4Pilot implements Pilot {
  readonly #flow: StageMeters;
  readonly #threads: number;
  readonly #onDecision: (decision: Lz4Decision) => void;
  readonly #now: () => number;
  readonly #window: FlowWindow;
  #mind: Mind = UNDECIDED;
  #measures: Measures | undefined;
  /** What was compressed lately. */
  #work: Lz4Work = { bytes: 0, left: 0, milliseconds: 0 };
  #looked = false;
  /** Bytes that were not compressed although they were a part of the share: many small ones make a chunk. */
  #credit = 0;

  /**
   * @param threads that compress at the same time.
   * @param now monotonic milliseconds
   */
  constructor(
    flow: StageMeters,
    threads: number,
    onDecision: (decision: Lz4Decision) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#flow = flow;
    this.#threads = threads;
    this.#onDecision = onDecision;
    this.#now = now;
    this.#window = new FlowWindow(flow, now());
  }

  begin(): void {
    if (this.#window.begin(this.#now())) this.#measures = undefined;
  }

  ask(length: number): Verdict {
    this.#measure();
    const { share } = this.#mind;
    if (share === 0) {
      if (this.#looked || this.#measures === undefined || !mayTry(this.#mind, this.#measures)) return 'store';
      this.#looked = true;
      return 'look';
    }
    this.#credit += share * length;
    // The sum of shares need not be exact.
    if (this.#credit < length - 1) return 'store';
    this.#credit -= length;
    return 'compress';
  }

  saw({ bytes, left, milliseconds }: Lz4Work): void {
    const { bytes: before, left: leftBefore, milliseconds: msBefore } = this.#work;
    this.#work = {
      bytes: before * FADING + bytes,
      left: leftBefore * FADING + left,
      milliseconds: msBefore * FADING + milliseconds,
    };
    if (this.#mind.share === 0 && this.#measures !== undefined) this.#decide({ ...this.#measures, ...this.#known() });
  }

  #known(): Pick<Measures, 'speed' | 'left'> {
    const { bytes, left, milliseconds } = this.#work;
    if (bytes === 0) return { speed: undefined, left: 1 };
    return { speed: (bytes * this.#threads * 1000) / Math.max(milliseconds, 0.001), left: left / bytes };
  }

  #measure(): void {
    const found = this.#window.look(this.#now());
    if (found === undefined) return;
    this.#looked = false;
    if (found.measures === undefined) this.#measures = undefined;
    else this.#decide({ ...found.measures, ...this.#known() });
  }

  #decide(measures: Measures): void {
    this.#measures = measures;
    const mind = nextMind(this.#mind, measures);
    const from = this.#mind.share;
    this.#mind = mind;
    if (from === mind.share) return;
    // What comes of it is not mixed with what was before.
    this.#window.restart();
    if (from === 0 || mind.share === 0) this.#credit = 0;
    const { link, sent, speed } = measures;
    this.#onDecision({ storage: this.#flow.storage, from, to: mind.share, link, sent, speed });
  }
}
