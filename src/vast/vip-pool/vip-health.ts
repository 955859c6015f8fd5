import type { VipClock } from './clock.ts';

/**
 * Failures add to a score, successes take some of it away; at this the VIP is quarantined. Two broken connections or
 * three errors in a row are enough, and so is a VIP at which more than a third of the requests fails.
 */
const SCORE_LIMIT = 3;
const RELIEF = 0.5;
/** The first quarantine, and the longest, milliseconds; each lasts half of that to all of it, by chance. */
const BASE_MS = 1_000;
const CAP_MS = 60_000;

/**
 * Whether one VIP can be trusted with requests. What a request says about it counts only when nothing has changed since
 * the request began: the twenty that were in flight when a VIP died are one death.
 */
export class VipHealth {
  readonly #clock: VipClock;
  #score = 0;
  #epoch = 0;
  #level = 0;
  #until: number | undefined;
  /** When the latest quarantine ended, and how long it was. */
  #readmitted = Number.NEGATIVE_INFINITY;
  #lastMs = 0;

  constructor(clock: VipClock) {
    this.#clock = clock;
  }

  /** Changes with every quarantine and readmission. */
  get epoch(): number {
    return this.#epoch;
  }

  /** End of the quarantine by the clock, undefined when there is none. */
  get until(): number | undefined {
    return this.#until;
  }

  /** Quarantines in a row; 0 for a VIP that was well. */
  get level(): number {
    return this.#level;
  }

  /** A request that began in `epoch` was served; during a quarantine this ends it. */
  success(epoch: number): void {
    if (epoch !== this.#epoch) return;
    if (this.#until === undefined) this.#score = Math.max(0, this.#score - RELIEF);
    else this.readmit();
  }

  /** A request that began in `epoch` failed. True when this began a quarantine. */
  failure(epoch: number, weight: number): boolean {
    if (epoch !== this.#epoch || this.#until !== undefined) return false;
    this.#score += weight;
    if (this.#score < SCORE_LIMIT) return false;
    // Well for as long as it was out: that trouble is over.
    if (this.#clock.now() - this.#readmitted >= this.#lastMs) this.#level = 0;
    this.#epoch += 1;
    this.extend();
    return true;
  }

  /** Begin or prolong the quarantine. */
  extend(): void {
    const bound = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(this.#level, 20));
    this.#level += 1;
    this.#lastMs = bound * (0.5 + this.#clock.random() / 2);
    this.#until = this.#clock.now() + this.#lastMs;
  }

  /** End the quarantine. */
  readmit(): void {
    this.#until = undefined;
    this.#score = 0;
    this.#epoch += 1;
    this.#readmitted = this.#clock.now();
  }
}
