import type { Context } from '@opentelemetry/api';
import type { StageInstance } from '../pipeline/stage.ts';
import type { Part } from '../stages/packer.ts';
import { begin, isRecorded } from '../tracing/spans.ts';

/** Tells a trace how long the chunks of each part took through the stages. */
export interface ChunkTimes {
  /** The first stage, watched. */
  watch(first: StageInstance): StageInstance;
  /** It is a part's turn to be sent. */
  gathered(part: Part): void;
}

/** @param parent context of the image; when it is not recorded nothing is watched. */
export function chunkTimes(parent: Context): ChunkTimes {
  if (!isRecorded(parent)) return { watch: (first) => first, gathered: () => undefined };
  /** When chunks came that are not sent yet, milliseconds since the epoch. */
  const came = new Map<number, number>();
  return {
    watch: (first) => ({
      concurrency: first.concurrency,
      apply: (chunk, signal) => {
        came.set(chunk.index, Date.now());
        return first.apply(chunk, signal);
      },
      flush: async () => first.flush?.(),
      close: async () => first.close?.(),
    }),
    gathered: ({ chunks, size }) => {
      const [first] = chunks;
      const startTime = (first && came.get(first.index)) ?? Date.now();
      let bytes = 0;
      for (const { index, length } of chunks) {
        bytes += length;
        came.delete(index);
      }
      const attributes = {
        'vast_ost.chunk': first?.index ?? 0,
        'vast_ost.chunks': chunks.length,
        'vast_ost.bytes': bytes,
        'vast_ost.stored_bytes': size,
      };
      begin('chunks', { parent, startTime, attributes }).span.end();
    },
  };
}
