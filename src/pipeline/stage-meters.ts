import { StageClock, type StageTimes } from './stage-clock.ts';

/** Which way the bytes of a chain go. */
export type Flow = 'backup' | 'restore';

/** What became of a chunk that is compressed only if that is worth it: it was, it would not have become smaller, or nothing waited for the storage. */
export const OUTCOMES = ['compressed', 'incompressible', 'unneeded'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What all streams of one stage have done since the process began, and how many there are now. */
export interface StageTotals {
  readonly stage: string;
  readonly flow: Flow;
  /** Streams now. */
  streams: number;
  bytesIn: number;
  bytesOut: number;
  /** Milliseconds, summed over the streams. */
  readonly times: StageTimes;
}

/** What is read of a clock, whoever keeps it. */
export type ReadClock = Pick<StageClock, 'bytesIn' | 'bytesOut' | 'read'>;

/** A stream that keeps a clock. */
interface Metered {
  readonly name: string;
  readonly clock: StageClock;
  once(event: 'close', listener: () => void): unknown;
}

/** The clocks of all streams of a process, or of one image, read when somebody asks. */
export class StageMeters {
  readonly #all: StageMeters | undefined;
  #mismatches = 0;
  #healed = 0;
  readonly #outcomes: Record<Outcome, number> = { compressed: 0, incompressible: 0, unneeded: 0 };
  readonly #ended = new Map<string, StageTotals>();
  readonly #live = new Map<ReadClock, { readonly stage: string; readonly flow: Flow }>();

  /** Name of the storage whose streams these are; empty for those of several. */
  readonly storage: string;

  /** @param all count what these count as well. */
  constructor(all?: StageMeters, storage = '') {
    this.#all = all;
    this.storage = storage;
  }

  /** Chunks whose bytes were not those that were backed up. */
  get mismatches(): number {
    return this.#mismatches;
  }

  /** One more of them. */
  mismatch(): void {
    this.#mismatches += 1;
    this.#all?.mismatch();
  }

  /** Chunks that were right when they were read again. */
  get healed(): number {
    return this.#healed;
  }

  /** One more of them. */
  heal(): void {
    this.#healed += 1;
    this.#all?.heal();
  }

  /** Chunks that were compressed only if that was worth it. */
  get outcomes(): Readonly<Record<Outcome, number>> {
    return this.#outcomes;
  }

  /** One more of them. */
  decided(outcome: Outcome): void {
    this.#outcomes[outcome] += 1;
    this.#all?.decided(outcome);
  }

  /** Count a clock; the function that is returned ends it, and what it says then stays in the totals. */
  begin(stage: string, flow: Flow, clock: ReadClock): () => void {
    this.#live.set(clock, { stage, flow });
    const end = this.#all?.begin(stage, flow, clock);
    return () => {
      end?.();
      if (this.#live.delete(clock)) add(this.#ended, stage, flow, clock);
    };
  }

  /** Count those of a chain's streams that keep a clock, until they close. */
  attach(flow: Flow, streams: readonly object[]): void {
    for (const stream of streams)
      if (isMetered(stream)) stream.once('close', this.begin(stream.name, flow, stream.clock));
  }

  /** Everything up to now, by stage and flow. */
  totals(): StageTotals[] {
    const sums = new Map<string, StageTotals>();
    for (const [key, totals] of this.#ended) sums.set(key, { ...totals, times: { ...totals.times } });
    for (const [clock, { stage, flow }] of this.#live) add(sums, stage, flow, clock).streams += 1;
    return [...sums.values()];
  }
}

function isMetered(stream: object): stream is Metered {
  return 'clock' in stream && stream.clock instanceof StageClock;
}

function add(sums: Map<string, StageTotals>, stage: string, flow: Flow, clock: ReadClock): StageTotals {
  const key = `${flow} ${stage}`;
  const sum = sums.get(key) ?? {
    stage,
    flow,
    streams: 0,
    bytesIn: 0,
    bytesOut: 0,
    times: { busy: 0, upstream: 0, downstream: 0 },
  };
  sums.set(key, sum);
  sum.bytesIn += clock.bytesIn;
  sum.bytesOut += clock.bytesOut;
  const times = clock.read();
  sum.times.busy += times.busy;
  sum.times.upstream += times.upstream;
  sum.times.downstream += times.downstream;
  return sum;
}
