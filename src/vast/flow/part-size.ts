import type { GateView } from './gate-figures.ts';
import { type SizeDecision, SteppedSize } from './stepped-size.ts';

const MIB = 2 ** 20;
/** Larger parts save nothing that can be measured. */
const MOST = 64 * MIB;
const LEAST = 4 * MIB;
/** Of an image of whose storage nothing is known: small enough for memory not to hide what so many in flight would bring, but not smaller than this. */
const FIRST = { inFlight: 32, least: 16 * MIB } as const;
/** A part that takes longer is late to be noted, and dear to be sent again; milliseconds. */
const SLOW_MS = 10_000;

export interface PartSizeOptions {
  /** Finds out how many parts in flight the storage likes best; undefined when that is given. */
  readonly gate: GateView | undefined;
  /** What is given. */
  readonly streams: number;
  /** What all parts in flight may hold, bytes. */
  readonly memory: number;
  readonly onDecision?: ((decision: SizeDecision) => void) | undefined;
}

/**
 * How large the parts of a new image are. How many a storage wants at the same time is found out elsewhere, and memory is given: so it is the largest size
 * of which as many fit. Fewer requests cost less, and wait less for answers; parts too large for the memory leave the way idle.
 */
export class PartSize {
  readonly #options: PartSizeOptions;
  readonly size: SteppedSize;

  constructor(options: PartSizeOptions) {
    this.#options = options;
    this.size = new SteppedSize({ of: 'part', least: LEAST, most: MOST, onDecision: options.onDecision });
  }

  /** For a new image, bytes: a power of two, 4 to 64 MiB. */
  next(): number {
    const { gate, streams, memory } = this.#options;
    const known = gate === undefined || gate.tried;
    const room = known ? memory / (gate?.limit ?? streams) : Math.max(FIRST.least, memory / FIRST.inFlight);
    const quick = (gate?.pace ?? Number.POSITIVE_INFINITY) * SLOW_MS;
    return this.size.follow(Math.min(room, quick), {
      smaller: quick < room ? 'slow' : 'more-in-flight',
      larger: quick < room ? 'faster' : 'fewer-in-flight',
    });
  }
}
