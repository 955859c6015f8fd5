import { abortError } from '../errors.ts';
import type { Sample } from './sample.ts';
import type { State } from './schemas.ts';

/** One look per second, whoever many people there are; rates are over the last ten. */
const EVERY_MS = 1_000;
const KEPT = 10;
/** Older samples say nothing about now. */
const STALE_MS = 20_000;

export interface SamplerOptions {
  readonly take: (at: number) => Sample;
  readonly read: (before: Sample, now: Sample) => State;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** Calls again and again, until what it returned is called. */
  readonly repeat?: (call: () => void, ms: number) => () => void;
}

/** A picture, and the same as JSON: made once for everybody. */
export type Watcher = (state: State, json: string) => void;

/** Takes samples while somebody looks. Nobody looks: nothing is done. */
export class Sampler {
  readonly #options: SamplerOptions;
  readonly #now: () => number;
  readonly #watchers = new Set<Watcher>();
  #samples: Sample[] = [];
  #stop: (() => void) | undefined;
  #latest: { readonly state: State; readonly json: string } | undefined;

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Hear of every picture, the first one at once when there is one. The result ends it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    if (this.#stop === undefined) {
      this.#tick();
      this.#stop = (this.#options.repeat ?? every)(() => this.#tick(), EVERY_MS);
    } else if (this.#latest !== undefined) {
      watcher(this.#latest.state, this.#latest.json);
    }
    return () => {
      if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
      this.#stop?.();
      this.#stop = undefined;
      this.#latest = undefined;
    };
  }

  /** The two samples that the newest picture is of, once there are two. */
  async window(signal: AbortSignal): Promise<{ readonly before: Sample; readonly now: Sample; readonly state: State }> {
    const { promise, resolve, reject } = Promise.withResolvers<State>();
    const onAbort = (): void => reject(abortError(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const end = this.watch(resolve);
    try {
      const state = await promise;
      const [before, now] = [this.#samples[0], this.#samples.at(-1)];
      if (before === undefined || now === undefined) throw new Error('a picture without samples');
      return { before, now, state };
    } finally {
      signal.removeEventListener('abort', onAbort);
      end();
    }
  }

  /** A picture, as soon as there is one: at once while others look, else after a second. */
  async state(signal: AbortSignal): Promise<State> {
    return (await this.window(signal)).state;
  }

  #tick(): void {
    const at = this.#now();
    if (at - (this.#samples.at(-1)?.at ?? at) > STALE_MS) this.#samples = [];
    const now = this.#options.take(at);
    this.#samples = [...this.#samples, now].slice(-KEPT);
    const [before] = this.#samples;
    if (before === undefined || before === now || before.at === now.at) return;
    const state = this.#options.read(before, now);
    const json = JSON.stringify(state);
    this.#latest = { state, json };
    for (const watcher of [...this.#watchers]) watcher(state, json);
  }
}

function every(call: () => void, ms: number): () => void {
  const timer = setInterval(call, ms);
  timer.unref();
  return () => clearInterval(timer);
}
