import { blamesOf, type StageShare } from '../../pipeline/bottleneck.ts';
import type { StageMeters, StageTotals } from '../../pipeline/stage-meters.ts';
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
  /** What to do with the next chunk, of `length` bytes. */
  ask(length: number): Verdict;
  /** Data that becomes smaller was compressed. */
  saw(work: Lz4Work): void;
}

/** Clocks are read no more often. */
const WINDOW_MS = 500;
/** What was longer ago is not looked at, milliseconds: parts come and go in bursts, which shorter times would show. */
const HORIZON_MS = 3000;
/** Of a window, so much must have had a stream at work. */
const PRESENT = 0.5;
/** What older work counts after every new piece of it. */
const FADING = 0.5;

/** What the clocks said at some moment. */
interface Mark {
  readonly at: number;
  readonly totals: readonly StageTotals[];
}

/**
 * Decides for all images in one storage which of their chunks are compressed: they share the way there, and the threads. It looks at the clocks
 * of their streams when a chunk comes and some time has passed; it has no timer.
 */
export class Lz4Pilot implements Pilot {
  readonly #flow: StageMeters;
  readonly #threads: number;
  readonly #onDecision: (decision: Lz4Decision) => void;
  readonly #now: () => number;
  #mind: Mind = UNDECIDED;
  #measures: Measures | undefined;
  /** The oldest one is what is compared with. */
  #marks: Mark[];
  /** What was compressed lately. */
  #work: Lz4Work = { bytes: 0, left: 0, milliseconds: 0 };
  #looked = false;
  #began: number;
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
    this.#began = now();
    this.#marks = [{ at: this.#began, totals: flow.totals() }];
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
    const now = this.#now();
    const last = this.#marks.at(-1);
    if (last !== undefined && now - last.at < WINDOW_MS) return;
    const mark = { at: now, totals: this.#flow.totals() };
    this.#looked = false;
    if (last === undefined || streamsAt(last, mark) < PRESENT) {
      // Nobody was there: what is over says nothing about what begins.
      this.#marks = [mark];
      this.#began = now;
      this.#measures = undefined;
      return;
    }
    while (this.#marks[1] !== undefined && now - this.#marks[1].at >= HORIZON_MS) this.#marks.shift();
    const first = this.#marks[0] ?? last;
    this.#marks.push(mark);
    const times = between(first, mark);
    const blames = blamesOf('backup', times) ?? [];
    const uploader = times.find(named('part-uploader'))?.times ?? NOTHING;
    const at = blames.findIndex(({ stage }) => stage === STAGE);
    const rate = (stage: string, of: (totals: StageTotals) => number): number => {
      const bytesAt = ({ totals }: Mark): number => totals.filter(named(stage)).reduce((sum, one) => sum + of(one), 0);
      return ((bytesAt(mark) - bytesAt(first)) * 1000) / (now - first.at);
    };
    this.#decide({
      now,
      since: first.at,
      began: this.#began,
      link: blames.slice(at + 1).reduce((sum, { share }) => sum + share, 0),
      own: blames[at]?.share ?? 0,
      idle: uploader.upstream / Math.max(1, timeOf(uploader)),
      taken: rate(STAGE, ({ bytesIn }) => bytesIn),
      sent: rate('part-uploader', ({ bytesIn }) => bytesIn),
      stored: rate('part-uploader', ({ bytesOut }) => bytesOut),
      ...this.#known(),
    });
  }

  #decide(measures: Measures): void {
    this.#measures = measures;
    const mind = nextMind(this.#mind, measures);
    const from = this.#mind.share;
    this.#mind = mind;
    if (from === mind.share) return;
    // What comes of it is not mixed with what was before.
    this.#marks = this.#marks.slice(-1);
    if (from === 0 || mind.share === 0) this.#credit = 0;
    const { link, sent, speed } = measures;
    this.#onDecision({ storage: this.#flow.storage, from, to: mind.share, link, sent, speed });
  }
}

const NOTHING = { busy: 0, upstream: 0, downstream: 0 };

/** The name that the stage's streams have. */
const STAGE = 'lz4';

const named =
  (name: string) =>
  ({ stage, flow }: Pick<StageTotals, 'stage' | 'flow'>): boolean =>
    stage === name && flow === 'backup';

/** How many streams of ours there were, on average. */
function streamsAt(first: Mark, last: Mark): number {
  return timeOf(between(first, last).find(named(STAGE))?.times ?? NOTHING) / (last.at - first.at);
}

function timeOf({ busy, upstream, downstream }: StageShare['times']): number {
  return busy + upstream + downstream;
}

/** Where the time went between two moments. */
function between(first: Mark, last: Mark): StageShare[] {
  return last.totals.map(({ stage, flow, times }) => {
    const before = first.totals.find((one) => one.stage === stage && one.flow === flow)?.times;
    return {
      stage,
      flow,
      times: {
        busy: times.busy - (before?.busy ?? 0),
        upstream: times.upstream - (before?.upstream ?? 0),
        downstream: times.downstream - (before?.downstream ?? 0),
      },
    };
  });
}
