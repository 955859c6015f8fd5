import { ParallelSink } from '../pipeline/parallel-sink.ts';
import { StageClock } from '../pipeline/stage-clock.ts';
import type { Part } from './packer.ts';

export interface PartUploaderOptions {
  /** Parts in flight at the same time. */
  readonly concurrency: () => number;
  /** Store one part; resolves when storage has acknowledged it. */
  readonly store: (part: Part, signal: AbortSignal) => Promise<void>;
  /** Called with every acknowledged part, in order of acknowledgement, before its memory is released. */
  readonly onStored: (part: Part, signal: AbortSignal) => void | Promise<void>;
}

/** Sends several parts at once. The memory of a part is released only after storage has acknowledged it. */
export function createPartUploader(options: PartUploaderOptions): ParallelSink<Part> {
  const clock = new StageClock();
  return new ParallelSink<Part>({
    name: 'part-uploader',
    concurrency: options.concurrency,
    clock,
    consume: async (part, signal) => {
      clock.bytesIn += part.size;
      await options.store(part, signal);
      clock.bytesOut += part.size;
      await options.onStored(part, signal);
      for (const lease of part.leases) lease.release();
    },
  });
}
