import { FlowControl, type FlowControlOptions } from '../vast/flow/flow-control.ts';

/** Most parts, or chunks read ahead, of one image; and most of a storage while nobody gives a number. */
export const MOST_STREAMS = 64;

/** A fixed number, or as many as turn out to be best. */
export type Streams = number | 'auto';

interface StreamSettings {
  readonly parallel_streams: Streams;
  readonly read_ahead: Streams;
}

/** What finds out how many requests a storage gets at the same time, in the directions that have no number. */
export function flowOf(
  { parallel_streams: write, read_ahead: read }: StreamSettings,
  onDecision: FlowControlOptions['onDecision'],
): FlowControl {
  return new FlowControl({
    most: { write: write === 'auto' ? MOST_STREAMS : undefined, read: read === 'auto' ? MOST_STREAMS : undefined },
    onDecision,
  });
}

/** Of one image. With `auto` memory and the storage's own limit are the bounds. */
export function streamsOf(setting: Streams): number {
  return setting === 'auto' ? MOST_STREAMS : setting;
}
