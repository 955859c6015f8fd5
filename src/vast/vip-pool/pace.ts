/** How fast one VIP moves payload, smoothed: with several requests in flight at each, a slow one would hold all others up. */
export class Pace {
  /** Milliseconds per MiB of a request. */
  #ms: number | undefined;
  #at = 0;

  /** Note a request that moved `bytes` in `ms`, at the time `now` (monotonic milliseconds). */
  note(bytes: number, ms: number, now: number): void {
    if (bytes < LEAST_BYTES) return;
    const pace = ms / (bytes / MIB);
    this.#ms = this.#ms === undefined ? pace : this.#ms + (pace - this.#ms) * SMOOTHING;
    this.#at = now;
  }

  /** Milliseconds per MiB; undefined while nothing is known. */
  get ms(): number | undefined {
    return this.#ms;
  }

  /**
   * How much more a request in flight here counts than one at a VIP of pace `fastest`. Differences below two are chance and the
   * turn of events. An old finding fades, so that who was slow once is tried again.
   */
  weight(fastest: number, now: number): number {
    if (this.#ms === undefined || fastest <= 0) return 1;
    const excess = (this.#ms / fastest - 1) * 0.5 ** ((now - this.#at) / HALF_LIFE_MS);
    return excess < 1 ? 1 : Math.min(MOST, 1 + excess);
  }
}

const MIB = 1024 * 1024;
const LEAST_BYTES = MIB;
const SMOOTHING = 0.25;
const HALF_LIFE_MS = 15_000;
/** A VIP is never worth less than this share of the fastest one. */
const MOST = 64;
