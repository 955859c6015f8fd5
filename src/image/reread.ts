import { failureOf } from '../errors.ts';
import type { StageInstance } from '../pipeline/stage.ts';

/** Fill memory that was read from storage once more, from the same place. */
export type Reread = (into: Uint8Array, signal: AbortSignal) => Promise<void>;

/**
 * The first inverse stage of an image, which gets what storage returned and sees first that it is damaged: it may have been so on its way, or in our
 * memory, and not in storage. So it is read again, once, into the same memory, before the image is called damaged.
 *
 * @param onHealed called when the second reading was right.
 */
export function rereading(instance: StageInstance, reread: Reread, onHealed: () => void): StageInstance {
  return {
    ...instance,
    apply: async (chunk, signal) => {
      try {
        return await instance.apply(chunk, signal);
      } catch (error) {
        const [bytes] = chunk.pieces;
        if (failureOf(error) !== 'integrity' || bytes === undefined || signal.aborted) throw error;
        await reread(bytes, signal);
      }
      const healed = await instance.apply(chunk, signal);
      onHealed();
      return healed;
    },
  };
}
