/** What a size is of, as logs and metrics call it. */
export type SizeOf = 'part' | 'read' | 'read-ahead';

/**
 * Why a size was changed: there are to be more or fewer requests in flight, or one would take too long (`slow`), or no longer would (`faster`).
 */
export const SIZE_REASONS = ['more-in-flight', 'fewer-in-flight', 'slow', 'faster'] as const;
export type SizeReason = (typeof SIZE_REASONS)[number];

export interface SizeDecision {
  readonly of: SizeOf;
  /** Bytes. */
  readonly from: number;
  readonly to: number;
  readonly reason: SizeReason;
}

export interface SteppedSizeOptions {
  readonly of: SizeOf;
  /** Powers of two, bytes. */
  readonly least: number;
  readonly most: number;
  readonly onDecision?: ((decision: SizeDecision) => void) | undefined;
}

/** A size as it is now, of one thread or of all. Plain values. */
export interface SizeFigures {
  readonly of: SizeOf;
  readonly bytes: number;
  /** Whether anything followed it yet. */
  readonly wanted: boolean;
  /** How often it was changed. */
  readonly decisions: ReadonlyMap<SizeReason, number>;
}

/** Of each size one: the smallest that a thread has decided on, and all changes. */
export function mergeSizes(sizes: readonly SizeFigures[]): SizeFigures[] {
  const merged = new Map<SizeOf, SizeFigures>();
  for (const size of sizes) {
    const known = merged.get(size.of);
    merged.set(size.of, known === undefined ? size : both(known, size));
  }
  return [...merged.values()];
}

function both(a: SizeFigures, b: SizeFigures): SizeFigures {
  const decided = [a, b].filter(({ wanted }) => wanted || !(a.wanted || b.wanted));
  const decisions = new Map(a.decisions);
  for (const [reason, count] of b.decisions) decisions.set(reason, (decisions.get(reason) ?? 0) + count);
  return { of: a.of, bytes: Math.min(...decided.map(({ bytes }) => bytes)), wanted: a.wanted || b.wanted, decisions };
}

/** So much beyond the next step is wanted before it is taken: a limit that goes up and down by one changes nothing. */
const CLEARLY = 9 / 8;

/** A size that follows what is wanted in powers of two, not much above it unless that is below the least. */
export class SteppedSize {
  readonly #options: SteppedSizeOptions;
  #bytes: number | undefined;
  /** How often it was changed, by reason. */
  readonly decisions = new Map<SizeReason, number>(SIZE_REASONS.map((reason) => [reason, 0]));

  constructor(options: SteppedSizeOptions) {
    this.#options = options;
  }

  /** As it was last; the most before anything was wanted. */
  get bytes(): number {
    return this.#bytes ?? this.#options.most;
  }

  figures(): SizeFigures {
    const { bytes, decisions } = this;
    return { of: this.#options.of, bytes, wanted: this.#bytes !== undefined, decisions: new Map(decisions) };
  }

  /** @returns the size from now on */
  follow(wanted: number, { larger, smaller }: Readonly<Record<'larger' | 'smaller', SizeReason>>): number {
    const from = this.#bytes;
    let to = from ?? this.#bounded(wanted);
    if (wanted * CLEARLY < to) to = this.#bounded(wanted);
    else if (wanted >= 2 * to * CLEARLY) to = this.#bounded(wanted);
    this.#bytes = to;
    if (from === undefined || to === from) return to;
    const reason = to > from ? larger : smaller;
    this.decisions.set(reason, (this.decisions.get(reason) ?? 0) + 1);
    this.#options.onDecision?.({ of: this.#options.of, from, to, reason });
    return to;
  }

  #bounded(wanted: number): number {
    const { least, most } = this.#options;
    return Math.min(most, Math.max(least, 2 ** Math.floor(Math.log2(Math.max(1, wanted)))));
  }
}
