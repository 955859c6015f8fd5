import type { Chunk } from './chunk.ts';
import { OrderedTransform } from './ordered-transform.ts';
import type { StageInstance } from './stage.ts';

/** Put a stage instance into a chain as a stream of its own. */
export function runStage(name: string, instance: StageInstance, highWaterMark = 1): OrderedTransform<Chunk, Chunk> {
  return new OrderedTransform<Chunk, Chunk>({
    name,
    concurrency: instance.concurrency,
    highWaterMark,
    transform: (chunk, signal) => instance.apply(chunk, signal),
    flush: async () => instance.flush?.(),
    close: async () => instance.close?.(),
  });
}
