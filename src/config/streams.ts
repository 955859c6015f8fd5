import { FlowControl, type FlowControlOptions } from '../vast/flow/flow-control.ts';
import type { Settings } from './settings.ts';

/** Most parts, or chunks read ahead, of one image; and most of a storage while nobody gives a number. */
export const MOST_STREAMS = 64;

/** A fixed number, or as many as turn out to be best. */
export type Streams = number | 'auto';

type FlowSettings = Pick<
  Settings['performance'],
  'parallel_streams' | 'read_ahead' | 'part_size_mb' | 'memory_budget_mb'
>;

/** What finds out how many requests a storage gets at the same time, and how large they are, where no number is given. */
export function flowOf(
  { parallel_streams: write, read_ahead: read, part_size_mb: part, memory_budget_mb: memory }: FlowSettings,
  told: Pick<FlowControlOptions, 'onDecision' | 'onSize'>,
): FlowControl {
  return new FlowControl({
    most: { write: write === 'auto' ? MOST_STREAMS : undefined, read: read === 'auto' ? MOST_STREAMS : undefined },
    // The other half is for what is filled and worked on.
    parts: part === 'auto' ? { memory: memory / 2, streams: streamsOf(write) } : undefined,
    ...told,
  });
}

/** Of one image. With `auto` memory and the storage's own limit are the bounds. */
export function streamsOf(setting: Streams): number {
  return setting === 'auto' ? MOST_STREAMS : setting;
}
