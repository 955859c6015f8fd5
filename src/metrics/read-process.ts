import { readdirSync } from 'node:fs';
import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { VERSION } from '../version.ts';
import type { Reading } from './registry.ts';

/** How often the loop's delay is sampled, and how long samples are gathered at least, milliseconds. */
const RESOLUTION_MS = 100;
const WINDOW_MS = 10_000;
const QUANTILES = [0.5, 0.9, 0.99, 1] as const;

/** The process and its main loop. Ends with {@link close}. */
export class ProcessReader {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #startedSeconds = performance.timeOrigin / 1000;
  /** Seconds by which the loop was late, for {@link QUANTILES}. */
  #late: readonly number[] = [];
  #since = performance.now();

  constructor() {
    this.#delay.enable();
  }

  close(): void {
    this.#delay.disable();
  }

  *read(): Generator<Reading> {
    yield { name: 'vast_ost_build_info', labels: { version: VERSION, node: process.versions.node }, value: 1 };
    this.#renew();
    for (const [at, quantile] of QUANTILES.entries()) {
      const value = this.#late[at] ?? 0;
      yield { name: 'vast_ost_event_loop_delay_seconds', labels: { quantile: String(quantile) }, value };
    }
    const { active }: EventLoopUtilization = performance.eventLoopUtilization();
    yield { name: 'vast_ost_event_loop_active_seconds_total', value: active / 1000 };
    const { rss, heapUsed } = process.memoryUsage();
    yield { name: 'vast_ost_heap_used_bytes', value: heapUsed };
    yield { name: 'process_resident_memory_bytes', value: rss };
    const { user, system } = process.cpuUsage();
    yield { name: 'process_cpu_seconds_total', labels: { mode: 'user' }, value: user / 1e6 };
    yield { name: 'process_cpu_seconds_total', labels: { mode: 'system' }, value: system / 1e6 };
    yield { name: 'process_start_time_seconds', value: this.#startedSeconds };
    yield { name: 'process_open_fds', value: readdirSync('/proc/self/fd').length };
  }

  /** Several who scrape see the same window. The samples are the timer's own interval and what it was late. */
  #renew(): void {
    const now = performance.now();
    if (this.#late.length > 0 && now - this.#since < WINDOW_MS) return;
    this.#late = QUANTILES.map((quantile) =>
      this.#delay.count === 0 ? 0 : Math.max(0, this.#delay.percentile(quantile * 100) / 1e9 - RESOLUTION_MS / 1000),
    );
    this.#delay.reset();
    this.#since = now;
  }
}
