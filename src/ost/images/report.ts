import { VERSION } from '../../version.ts';
import { MAX_CAUSE } from '../wire/constants.ts';
import { clipText } from '../wire/text.ts';

const MIB = 1024 * 1024;

/** Numbers of one open image, kept in one place so that they can be exported. */
export interface ImageCounters {
  /** Monotonic milliseconds when the handle was opened. */
  readonly openedAt: number;
  /** Logical bytes that the host handed over, or that were served to it. */
  bytes: number;
  /** Slots handed over or served. */
  slots: number;
  /** Time that slot requests waited, milliseconds. */
  waitedMs: number;
  /** Metadata blobs written or read. */
  metas: number;
}

export function newCounters(): ImageCounters {
  return { openedAt: performance.now(), bytes: 0, slots: 0, waitedMs: 0, metas: 0 };
}

/** One line of `key=value` pairs for the job's details, at most 1023 bytes. */
export function reportLine(
  counters: ImageCounters,
  more: Readonly<Record<string, string | number | undefined>>,
): string {
  const seconds = (performance.now() - counters.openedAt) / 1000;
  const pairs: Record<string, string | number | undefined> = {
    engine: VERSION,
    ...more,
    bytes: counters.bytes,
    seconds: seconds.toFixed(3),
    mib_per_s: (counters.bytes / MIB / Math.max(seconds, 0.001)).toFixed(1),
    slots: counters.slots,
    slot_wait_s: (counters.waitedMs / 1000).toFixed(3),
    ...(counters.metas > 0 ? { metas: counters.metas } : {}),
  };
  const words = Object.entries(pairs).flatMap(([key, value]) => (value === undefined ? [] : `${key}=${value}`));
  return clipText(words.join(' '), MAX_CAUSE);
}
