import type { Chunk, Run } from '../pipeline/chunk.ts';
import { shareLease } from '../pipeline/lease.ts';
import { StepTransform } from '../pipeline/step-transform.ts';

/** Trims restored chunks to the wanted range [start, end) of the image and passes the pieces on in order. The last stage of a restore. */
export function createSlicer(start: number, end: number): StepTransform<Chunk, Run> {
  return new StepTransform<Chunk, Run>({
    name: 'slicer',
    step: async (chunk, emit) => {
      const wanted: { offset: number; data: Uint8Array }[] = [];
      let offset = chunk.offset;
      for (const piece of chunk.pieces) {
        const from = Math.max(start, offset);
        const to = Math.min(end, offset + piece.byteLength);
        if (from < to) wanted.push({ offset: from, data: piece.subarray(from - offset, to - offset) });
        offset += piece.byteLength;
      }
      if (wanted.length === 0) chunk.lease.release();
      const leases = shareLease(chunk.lease, wanted.length);
      for (const [at, lease] of leases.entries()) {
        const { offset, data } = wanted[at] as { offset: number; data: Uint8Array };
        await emit({ offset, data, lease });
      }
    },
  });
}
