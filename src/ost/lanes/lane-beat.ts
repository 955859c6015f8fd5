import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { BEAT, DELAY_QUANTILES } from './protocol.ts';

/** A few times for each look that is taken at it; each costs a lane that is idle a turn. */
const BEAT_MS = 250;
const RESOLUTION_MS = 20;
/** Over how long delays are gathered. */
const WINDOW_MS = 10_000;

/** Says in shared memory that the lane's loop turns, and how late it is. Ends with the thread. */
export class LaneBeat {
  readonly #fields: Float64Array;
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #since = performance.now();
  #first = true;

  constructor(shared: SharedArrayBuffer) {
    this.#fields = new Float64Array(shared);
    this.#delay.enable();
    setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  #beat(): void {
    const fields = this.#fields;
    fields[BEAT.count] = (fields[BEAT.count] ?? 0) + 1;
    fields[BEAT.active] = performance.eventLoopUtilization().active;
    fields[BEAT.heapBytes] = getHeapStatistics().used_heap_size;
    const now = performance.now();
    const whole = now - this.#since >= WINDOW_MS;
    // Until there has been a whole window, what there is so far.
    if (!(whole || this.#first) || this.#delay.count === 0) return;
    for (const [at, quantile] of DELAY_QUANTILES.entries()) {
      const ms = this.#delay.percentile(quantile * 100) / 1e6 - RESOLUTION_MS;
      fields[BEAT.delays + at] = Math.max(0, ms) / 1000;
    }
    if (!whole) return;
    this.#first = false;
    this.#delay.reset();
    this.#since = now;
  }
}
