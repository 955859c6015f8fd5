import { availableParallelism } from 'node:os';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

const KEY = 'vast-ost processors';

/** Processors that this thread may plan with: those of the machine, or its share of them. */
export function processors(): number {
  const share = getEnvironmentData(KEY);
  return typeof share === 'number' ? share : availableParallelism();
}

/** Divide them among so many threads that are started from now on, so that what each of them keeps threads for does not multiply. */
export function shareProcessors(threads: number): void {
  setEnvironmentData(KEY, Math.max(1, Math.floor(availableParallelism() / Math.max(1, threads))));
}
