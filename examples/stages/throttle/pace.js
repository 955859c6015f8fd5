import { setTimeout as delay } from 'node:timers/promises';

/** How far ahead nothing is planned: the rate may be another by then. */
const LOOK_MS = 1000;
/** What may pass at once after a pause, as time at the rate. */
const BURST_MS = 1000;
/** The engine gives a call up after an hour. A chunk that has waited this long passes, whatever the rate. */
const PATIENCE_MS = 50 * 60_000;

/**
 * @typedef {object} Clock
 * @property {() => number} now milliseconds
 * @property {(ms: number, signal: AbortSignal) => Promise<void>} sleep
 */

/** @type {Clock} */
const machine = {
  now: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
};

/** Lets bytes pass at a rate, one chunk after the other, in the order in which they came. */
export class Pace {
  /** @type {Clock} */
  #clock;
  /** When what has passed will have been due. */
  #due = Number.NEGATIVE_INFINITY;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  constructor(clock = machine) {
    this.#clock = clock;
  }

  /**
   * Wait until so many bytes may pass.
   *
   * @param {number} bytes
   * @param {() => number | undefined} rate bytes per second now; undefined: as fast as it goes
   * @param {AbortSignal} signal ends the wait; the bytes then do not count
   * @returns {Promise<void>}
   */
  pass(bytes, rate, signal) {
    const came = this.#clock.now();
    const turn = this.#last.then(() => this.#wait(bytes, rate, came, signal));
    this.#last = turn;
    return new Promise((resolve) => {
      const end = () => {
        signal.removeEventListener('abort', end);
        resolve(undefined);
      };
      // Whoever gives up does not wait for its turn.
      signal.addEventListener('abort', end, { once: true });
      turn.then(end);
    });
  }

  /**
   * Never rejects: whoever waits behind must not.
   *
   * @param {number} bytes
   * @param {() => number | undefined} rate
   * @param {number} came
   * @param {AbortSignal} signal
   */
  async #wait(bytes, rate, came, signal) {
    const { now, sleep } = this.#clock;
    this.#due = Math.max(this.#due, now() - BURST_MS);
    while (!signal.aborted) {
      if (rate() === undefined || now() - came >= PATIENCE_MS) return;
      const left = this.#due - now();
      if (left <= 0) break;
      await sleep(Math.min(left, LOOK_MS), signal).catch(() => undefined);
    }
    const speed = rate();
    if (!signal.aborted && speed !== undefined) this.#due += (bytes / speed) * 1000;
  }
}
