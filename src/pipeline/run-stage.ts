import { type Chunk, sizeOf } from './chunk.ts';
import { OrderedTransform } from './ordered-transform.ts';
import type { StageInstance } from './stage.ts';
import { StageClock } from './stage-clock.ts';

/** Put a stage instance into a chain as a stream of its own. */
export function runStage(
  name: string,
  instance: StageInstance,
  {
    highWaterMark = 1,
    clock = new StageClock(),
  }: { readonly highWaterMark?: number; readonly clock?: StageClock } = {},
): OrderedTransform<Chunk, Chunk> {
  return new OrderedTransform<Chunk, Chunk>({
    name,
    concurrency: instance.concurrency,
    highWaterMark,
    clock,
    transform: async (chunk, signal) => {
      clock.bytesIn += sizeOf(chunk.pieces);
      const result = await instance.apply(chunk, signal);
      clock.bytesOut += sizeOf(result.pieces);
      return result;
    },
    flush: async () => instance.flush?.(),
    close: async () => instance.close?.(),
  });
}
