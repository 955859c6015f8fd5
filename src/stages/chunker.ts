import { EngineError } from '../errors.ts';
import type { Chunk, Run } from '../pipeline/chunk.ts';
import { shareLease } from '../pipeline/lease.ts';
import { StepTransform } from '../pipeline/step-transform.ts';

export interface ChunkerOptions {
  /** Length of every chunk but the last of a run, bytes. */
  readonly chunkBytes: number;
  /** Number of the first chunk and logical offset of its first byte, when a pending image is continued. Default 0. */
  readonly firstIndex?: number;
  readonly start?: number;
}

/**
 * Cuts contiguous runs into numbered chunks without copying. A run that is no longer than a chunk becomes one chunk; a longer one becomes
 * several that share its memory.
 */
export function createChunker(options: ChunkerOptions): StepTransform<Run, Chunk> {
  const { chunkBytes } = options;
  let index = options.firstIndex ?? 0;
  let position = options.start ?? 0;
  return new StepTransform<Run, Chunk>({
    name: 'chunker',
    step: async (run, emit) => {
      if (run.offset !== position) {
        throw new EngineError('VOST_ORDER', 'internal', `a run begins at ${run.offset} where ${position} was due`);
      }
      const count = Math.ceil(run.data.byteLength / chunkBytes);
      if (count === 0) run.lease.release();
      const leases = count === 1 ? [run.lease] : shareLease(run.lease, count);
      for (const [nth, lease] of leases.entries()) {
        const data = run.data.subarray(nth * chunkBytes, Math.min((nth + 1) * chunkBytes, run.data.byteLength));
        const chunk: Chunk = { index, offset: position, length: data.byteLength, pieces: [data], lease };
        index += 1;
        position += data.byteLength;
        await emit(chunk);
      }
    },
  });
}
