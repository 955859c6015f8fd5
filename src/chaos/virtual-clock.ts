import { setImmediate as turn } from 'node:timers/promises';
import { abortError } from '../errors.ts';
import { seededRandom } from '../sim/faults/random.ts';
import type { RetryClock } from '../vast/retry.ts';

/** Time that passes only while somebody sleeps: minutes of pauses take no time. Sleeps that overlap pass together. */
export class VirtualClock implements RetryClock {
  readonly #random: () => number;
  #now = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  now(): number {
    return this.#now;
  }

  async sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const end = this.#now + ms;
    if (signal?.aborted) throw abortError(signal);
    await turn();
    if (signal?.aborted) throw abortError(signal);
    this.#now = Math.max(this.#now, end);
  }

  random(): number {
    return this.#random();
  }
}
