import { blamesOf, type StageShare } from '../../pipeline/bottleneck.ts';
import type { StageMeters, StageTotals } from '../../pipeline/stage-meters.ts';
import type { Measures } from './share.ts';

/** What the clocks of a storage's streams say. */
export type FlowMeasures = Omit<Measures, 'speed' | 'left'>;

/** Clocks are read no more often. */
const WINDOW_MS = 500;
/** What was longer ago is not looked at, milliseconds: parts come and go in bursts, which shorter times would show. */
const HORIZON_MS = 3000;
/** Of a window, so much must have had a stream at work. */
const PRESENT = 0.5;

/** The name that the stage's streams have. */
const STAGE = 'lz4';
const UPLOADER = 'part-uploader';
const NOTHING = { busy: 0, upstream: 0, downstream: 0 };

/** What the clocks said at some moment. */
interface Mark {
  readonly at: number;
  readonly totals: readonly StageTotals[];
}

/** The last few seconds of all backups to one storage, looked at when somebody asks. */
export class FlowWindow {
  readonly #flow: StageMeters;
  /** The oldest one is what is compared with. */
  #marks: Mark[];
  #began: number;

  /** @param now monotonic milliseconds */
  constructor(flow: StageMeters, now: number) {
    this.#flow = flow;
    this.#began = now;
    this.#marks = [{ at: now, totals: flow.totals() }];
  }

  /**
   * Read the clocks, if it is time to.
   *
   * @returns undefined when it is not; `measures` undefined when nobody was there: what is over says nothing about what begins.
   */
  look(now: number): { readonly measures: FlowMeasures | undefined } | undefined {
    const last = this.#marks.at(-1);
    if (last !== undefined && now - last.at < WINDOW_MS) return undefined;
    const mark = { at: now, totals: this.#flow.totals() };
    if (last === undefined || streamsAt(last, mark) < PRESENT) {
      this.#marks = [mark];
      this.#began = now;
      return { measures: undefined };
    }
    while (this.#marks[1] !== undefined && now - this.#marks[1].at >= HORIZON_MS) this.#marks.shift();
    const first = this.#marks[0] ?? last;
    this.#marks.push(mark);
    return { measures: { began: this.#began, ...measure(first, mark) } };
  }

  /** An image begins: what was before any of those under way is over. Tells whether this is the first of them. */
  begin(now: number): boolean {
    const totals = this.#flow.totals();
    if (totals.some((one) => named(STAGE)(one) && one.streams > 0)) return false;
    this.#marks = [{ at: now, totals }];
    this.#began = now;
    return true;
  }

  /** Something has changed: forget what was before. */
  restart(): void {
    this.#marks = this.#marks.slice(-1);
  }
}

function measure(first: Mark, last: Mark): Omit<FlowMeasures, 'began'> {
  const times = between(first, last);
  const blames = blamesOf('backup', times) ?? [];
  const at = blames.findIndex(({ stage }) => stage === STAGE);
  const uploader = times.find(named(UPLOADER))?.times ?? NOTHING;
  const rate = (stage: string, of: (totals: StageTotals) => number): number => {
    const bytesAt = ({ totals }: Mark): number => totals.filter(named(stage)).reduce((sum, one) => sum + of(one), 0);
    return ((bytesAt(last) - bytesAt(first)) * 1000) / (last.at - first.at);
  };
  return {
    now: last.at,
    since: first.at,
    link: blames.slice(at + 1).reduce((sum, { share }) => sum + share, 0),
    own: blames[at]?.share ?? 0,
    idle: uploader.upstream / Math.max(1, timeOf(uploader)),
    taken: rate(STAGE, ({ bytesIn }) => bytesIn),
    sent: rate(UPLOADER, ({ bytesIn }) => bytesIn),
    stored: rate(UPLOADER, ({ bytesOut }) => bytesOut),
  };
}

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
    const before = first.totals.find((one) => one.stage === stage && one.flow === flow)?.times ?? NOTHING;
    return {
      stage,
      flow,
      times: {
        busy: times.busy - before.busy,
        upstream: times.upstream - before.upstream,
        downstream: times.downstream - before.downstream,
      },
    };
  });
}
