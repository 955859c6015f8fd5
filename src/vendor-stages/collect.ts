import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that V8 has for this thread: its objects, and its buffers. */
export function memoryTaken(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

/**
 * A function that collects garbage at once. V8 sees to buffers late, and a thread is judged by what it holds: what a stage has dropped must not count
 * against it. (V8 gives the function to new contexts only, while the flag is set, which is all threads' at once.)
 */
export function collector(): () => void {
  for (;;) {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('globalThis.gc') as (() => void) | undefined;
    setFlagsFromString('--no-expose-gc');
    // Another thread that did the same at the same moment may have been first to end it.
    if (collect !== undefined) return collect;
  }
}
