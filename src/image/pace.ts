import { setTimeout as sleep } from 'node:timers/promises';
import { abortError } from '../errors.ts';

/** Spreads work over time: so many bytes a second and no more, without making up for pauses. */
export class Pace {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  /** When what was taken so far is paid for. */
  #free = -Infinity;

  /** @param bytesPerSecond above 0; `Infinity` for no bound. */
  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
  }

  /** Milliseconds to wait before `bytes` more may be read; they are taken. */
  delay(bytes: number): number {
    const now = this.#now();
    const begin = Math.max(now, this.#free);
    this.#free = begin + (bytes / this.#bytesPerSecond) * 1000;
    return begin - now;
  }

  /** Wait until `bytes` more may be read. Rejects when the signal fires first. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const delay = this.delay(bytes);
    if (delay <= 0) return;
    await sleep(delay, undefined, { signal }).catch((error: unknown) => {
      throw signal?.aborted ? abortError(signal) : error;
    });
  }
}
