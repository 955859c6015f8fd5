/** Threads that directories leave to everything else: names that are looked up, keys and tokens that are read, logs that are written. */
const SPARE = 16;
/** What libuv has when the environment does not say, and the most that it has. */
const DEFAULT_THREADS = 4;
const MOST_THREADS = 1024;

/** Threads on which this process makes its system calls (UV_THREADPOOL_SIZE). */
export function poolThreads(env: NodeJS.ProcessEnv = process.env): number {
  const threads = Number.parseInt(env['UV_THREADPOOL_SIZE'] ?? String(DEFAULT_THREADS), 10);
  return Math.min(MOST_THREADS, Math.max(1, Number.isNaN(threads) ? 1 : threads));
}

/**
 * System calls that each of so many directories may have in flight: a fixed share, because all mounts of one cluster hang at the same time.
 * What is left when all of them hang is {@link SPARE}, or a quarter of a small pool. At least 1.
 */
export function callShare(directories: number, threads = poolThreads()): number {
  const spare = Math.min(SPARE, Math.ceil(threads / 4));
  return Math.max(1, Math.floor((threads - spare) / Math.max(1, directories)));
}
