import type { GateView } from './gate-figures.ts';
import { type SizeDecision, SteppedSize } from './stepped-size.ts';

const MIB = 2 ** 20;
/** What a request should fetch: larger ones save nothing that can be measured. */
const MOST_REQUEST = 64 * MIB;
/** Smaller ones bring nothing while all are equally fast, however many are in flight. */
const ENOUGH_REQUEST = 16 * MIB;
/** Where some servers are slow (one data VIP of several, say); less than twice as much is never fetched with several, so that a scattered read costs one. */
const SHORT_REQUEST = 4 * MIB;
const FADE = 0.97;
const LEAST_AHEAD = 64 * MIB;
const MOST_AHEAD = 4096 * MIB;

/**
 * How much readers in order fetch ahead, and with how large requests. How many requests a storage wants at the same time is found out elsewhere: so much is
 * fetched ahead as makes these requests large. While less is asked for (memory is scarce, a range is short), they are smaller, so that
 * there are as many.
 */
export class ReadAhead {
  readonly #gate: Pick<GateView, 'limit' | 'uneven'>;
  readonly ahead: SteppedSize;
  readonly request: SteppedSize;
  #readers = 0;
  /** Bytes being fetched, and the most of that lately: it falls by a range whenever one is done. */
  #asked = 0;
  #most = 0;

  /** @param gate knows how many requests the storage likes best, and how they are doing. */
  constructor(gate: Pick<GateView, 'limit' | 'uneven'>, onDecision?: (decision: SizeDecision) => void) {
    this.#gate = gate;
    this.ahead = new SteppedSize({ of: 'read-ahead', least: LEAST_AHEAD, most: MOST_AHEAD, onDecision });
    this.request = new SteppedSize({ of: 'read', least: SHORT_REQUEST, most: MOST_REQUEST, onDecision });
  }

  /** Somebody reads in order. The result ends it, once. */
  begin(): () => void {
    this.#readers += 1;
    return () => {
      this.#readers -= 1;
    };
  }

  /** Ranges of so many bytes that one reader fetches at the same time, at least 2. */
  ranges(bytes: number): number {
    const { limit } = this.#gate;
    const ahead = this.ahead.follow(limit * MOST_REQUEST, { larger: 'more-in-flight', smaller: 'fewer-in-flight' });
    // Each is a request at least: short ones need not hold as much. With one there would be nothing in flight between two, and nobody to find out that more
    // would be faster.
    return Math.min(2 * limit, Math.max(2, Math.ceil(ahead / Math.max(1, this.#readers) / bytes)));
  }

  /** Fetch so many bytes, with requests of the size that `work` is given. */
  async fetch<T>(bytes: number, work: (requestBytes: number) => Promise<T>): Promise<T> {
    if (bytes < 2 * SHORT_REQUEST) return work(bytes);
    this.#asked += bytes;
    this.#most = Math.max(this.#asked, this.#most * FADE);
    try {
      // Of uneven servers a reader in order waits for the slowest, while what is ahead of it fills up.
      const { limit, uneven } = this.#gate;
      // One more than may be in flight, so that the limit is what bounds them.
      const room = Math.max(ENOUGH_REQUEST, this.#most / (limit + 1));
      return await work(
        this.request.follow(uneven ? SHORT_REQUEST : room, {
          larger: uneven ? 'faster' : 'fewer-in-flight',
          smaller: uneven ? 'slow' : 'more-in-flight',
        }),
      );
    } finally {
      this.#asked -= bytes;
    }
  }
}
