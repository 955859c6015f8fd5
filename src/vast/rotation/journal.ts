import { open, readFile, rename } from 'node:fs/promises';
import { z } from 'zod';

const State = z.object({
  /** When the secret in use was made, or first seen; milliseconds since the epoch. */
  since: z.number(),
  /** A new one is being made: the one in use, and all that were there before. */
  making: z.object({ old: z.string(), before: z.array(z.string()) }).optional(),
  /** The one that was replaced, and when it goes. */
  retiring: z.object({ id: z.string(), at: z.number() }).optional(),
});
/** Ids only, never secrets. */
export type RotationState = z.output<typeof State>;

/** What the journal calls the one before the first. */
export const NONE = '';

/** What a rotation is in the middle of. */
export interface RotationJournal {
  read(): Promise<RotationState | undefined>;
  /** Durable when this resolves. */
  write(state: RotationState): Promise<void>;
}

/** A journal in a file. One that cannot be understood counts as none: the next rotation is then a full period away. */
export function fileJournal(path: string): RotationJournal {
  return {
    read: async () => {
      try {
        return State.parse(JSON.parse(await readFile(path, 'utf8')));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === undefined || code === 'ENOENT') return undefined;
        throw error;
      }
    },
    write: async (state) => {
      const temporary = `${path}.new`;
      {
        await using file = await open(temporary, 'w', 0o600);
        await file.writeFile(`${JSON.stringify(state)}\n`);
        await file.sync();
      }
      await rename(temporary, path);
    },
  };
}
