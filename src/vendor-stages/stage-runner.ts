import { abortError } from '../errors.ts';
import { type Task, WorkerLost, WorkerPool } from '../pipeline/worker-pool.ts';
import { performCall } from './perform-call.ts';
import type { StageAnswer, StageCall } from './protocol.ts';
import { provideApi } from './provide-api.ts';
import { StageHost } from './stage-host.ts';

/** A call that is not made up yet: that is done when it begins, and again if it is tried twice. */
export interface Work {
  readonly create: () => StageCall;
  readonly timeoutMs: number;
  /** Memory that the call may have, with its bytes. */
  readonly memoryBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Where a stage's code runs. */
export interface StageRunner {
  /** Rejects with WorkerLost, or with the signal's error. */
  run(work: Work): Promise<StageAnswer>;
  /** Threads that it cost so far. */
  lost(): number;
  close(): Promise<void>;
}

/** Of the environment only what programs need to run at all: that of the engine has keys. */
const ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];
const MIB = 2 ** 20;
/** What V8 itself takes for a thread. */
const BASE = 16 * MIB;

/** On threads of its own. */
export function workerRunner(
  url: string,
  { threads, memoryMb, onOutput }: { threads: number; memoryMb: number; onOutput: (text: string) => void },
): StageRunner {
  const file = import.meta.url.endsWith('.ts') ? './stage-worker.ts' : './stage-worker.js';
  const pool = new WorkerPool<StageAnswer>({
    file: new URL(file, import.meta.url),
    threads,
    worker: {
      workerData: { url, enough: (memoryMb / 2) * MIB + BASE },
      env: Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]])),
      execArgv: [],
      argv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 8 },
    },
    onOutput,
  });
  /** The most that a thread had; that of the call is counted with its bytes. */
  let windows = 0;
  return {
    run: async ({ create, timeoutMs, memoryBytes, signal }) => {
      const task: Task = {
        create: () => ({ message: create(), transfer: [] }),
        timeoutMs,
        memoryBytes: memoryBytes + windows,
        ...(signal ? { signal } : {}),
      };
      const answer = await pool.run(task);
      if ('windowBytes' in answer) windows = Math.max(windows, answer.windowBytes ?? 0);
      return answer;
    },
    lost: () => pool.lost,
    close: () => pool.close(),
  };
}

/** In this thread. A call that does not end is given up, and its memory taken from it; what else it still does cannot be stopped. */
export function localRunner(url: string): StageRunner {
  provideApi();
  const host = new StageHost(() => import(url));
  return {
    run: async ({ create, timeoutMs, signal }) => {
      if (signal?.aborted) throw abortError(signal);
      const stop = new AbortController();
      const gone = new AbortController();
      const onAbort = (): void => stop.abort();
      signal?.addEventListener('abort', onAbort, { once: true });
      const given = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        stop.abort();
        gone.abort();
        given.reject(new WorkerLost('timeout', `it did not answer for ${timeoutMs / 1000} seconds`));
      }, timeoutMs);
      try {
        const answer = await Promise.race([performCall(host, create(), stop.signal, gone.signal), given.promise]);
        if (signal?.aborted) throw abortError(signal);
        return answer;
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      }
    },
    lost: () => 0,
    close: async () => undefined,
  };
}

/** Memory of a call with so many bytes in and out. */
export function memoryOf(memoryMb: number, bytes: number): number {
  return memoryMb * MIB + bytes + BASE;
}
