import { setTimeout as delay } from 'node:timers/promises';
import { tracingPlan } from './environment.ts';

/** How long what waits may take to get to the collector when the process ends, milliseconds. */
const FLUSH_MS = 5_000;
/** A collector that is not there is spoken of so often, milliseconds. */
const TELL_EVERY_MS = 60_000;
const MAX_TEXT = 300;

export interface Tracing {
  readonly on: boolean;
  /** Send what waits, for a bounded time. Never throws. */
  stop(): Promise<void>;
}

/**
 * Trace as the standard environment variables say. Without them nothing is loaded, and every span is a no-op. What goes wrong with
 * traces is told, and harms nothing else.
 *
 * @param tell hears of it, at most once a minute; never of secrets.
 */
export async function startTracing(tell: (problem: string) => void): Promise<Tracing> {
  const plan = tracingPlan(process.env, tell);
  if (plan === undefined) return { on: false, stop: async () => undefined };
  const { openSdk } = await import('./sdk.ts');
  const shutdown = openSdk(plan, quietly(tell));
  return {
    on: true,
    stop: async () => {
      const late = new AbortController();
      const bound = delay(FLUSH_MS, 'late', { signal: late.signal }).catch(() => 'ended');
      const ended = shutdown().then(
        () => 'ended',
        () => 'failed',
      );
      const how = await Promise.race([ended, bound]);
      late.abort();
      if (how === 'late') tell(`the collector did not take the last spans within ${FLUSH_MS / 1000} s`);
    },
  };
}

/** Not more than a line a minute; without what a URL or an answer might give away. */
function quietly(tell: (problem: string) => void): (problem: string) => void {
  let told = Number.NEGATIVE_INFINITY;
  let left = 0;
  return (problem) => {
    const now = performance.now();
    if (now - told < TELL_EVERY_MS) {
      left += 1;
      return;
    }
    const more = left === 0 ? '' : ` (${left} more since)`;
    const harmless = problem.replace(/\/\/[^/\s]*@/g, '//…@').replace(/[^ -~…]/g, '?');
    tell(`${harmless.slice(0, MAX_TEXT)}${more}`);
    told = now;
    left = 0;
  };
}
