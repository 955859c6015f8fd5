import { setTimeout as delay } from 'node:timers/promises';

/** Whether the work ended in time, and before the signal; it goes on when it did not. Rejects as the work does. */
export async function within(work: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<boolean> {
  const stop = new AbortController();
  const ends = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
  const late = delay(ms, false, { signal: ends }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    stop.abort();
  }
}
