import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Job, Outcome } from './case.ts';

/** A chain like the engine's defaults. */
export const DEFAULTS = {
  chunkBytes: 64 * 2 ** 20,
  partBytes: 64 * 2 ** 20,
  parallelParts: 4,
  memoryBudget: 512 * 2 ** 20,
} as const;

/** The engine runs as bin/vast-ost starts it, from what is shipped; others as Node does. */
export const ENGINE_FLAGS = ['--max-semi-space-size=4', '--import', './bench/shipped.js'] as const;

/** A job at work. */
export interface RunningJob {
  readonly pid: number;
  /** Rejects when the process fails; it has said why on standard error. */
  readonly outcome: Promise<Outcome>;
}

/**
 * Run a job in a process of its own.
 * @param profile directory for a V8 CPU profile of it.
 */
export function spawnJob(job: Job, profile?: string): RunningJob {
  const engine = job.work.kind === 'lib-storage' ? [] : ENGINE_FLAGS;
  const profiler = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const args = [...engine, ...profiler, 'bench/child.ts', JSON.stringify(job)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const outcome = Promise.all([text(child.stdout), once(child, 'close')]).then(([said, [status]]) => {
    if (status !== 0) throw new Error(`a case failed with status ${status}`);
    return JSON.parse(said) as Outcome;
  });
  return { pid: child.pid ?? 0, outcome };
}
