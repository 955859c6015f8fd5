import { failureOf } from '../errors.ts';
import type { Chunk } from '../pipeline/chunk.ts';
import type { StageInstance } from '../pipeline/stage.ts';

/** Fill the memory that a chunk was fetched into once more, from the same place. */
export type Reread = (signal: AbortSignal) => Promise<void>;

/**
 * An inverse stage that sees that a chunk is damaged: it may have been so on its way, or in our memory, and not in storage. So while its bytes are still those
 * that were fetched (and not what an earlier inverse made of them), they are read again, once, into the same memory, before the image is called damaged.
 *
 * @param rereadOf undefined for a chunk whose bytes are others by now.
 * @param onHealed called when the second reading was right.
 */
export function rereading(
  instance: StageInstance,
  rereadOf: (chunk: Chunk) => Reread | undefined,
  onHealed: () => void,
): StageInstance {
  return {
    ...instance,
    apply: async (chunk, signal) => {
      try {
        return await instance.apply(chunk, signal);
      } catch (error) {
        const reread = failureOf(error) === 'integrity' && !signal.aborted ? rereadOf(chunk) : undefined;
        if (reread === undefined) throw error;
        await reread(signal);
      }
      const healed = await instance.apply(chunk, signal);
      onHealed();
      return healed;
    },
  };
}
