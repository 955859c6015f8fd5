/** What reads and writes past the page cache have in common. */
import { constants } from 'node:fs';
import { errnoOf } from './classify.ts';
import type { Files, OpenFile } from './files.ts';

/** Address, offset and length of direct I/O are multiples of this (a page; also 4Kn disks' sectors). */
export const ALIGNMENT = 4096;

/**
 * Do `work` on the file at `path`, opened for direct I/O.
 * @returns false when the filesystem or the memory's address does not allow that; then any of it has to be done in another way
 */
export async function directly(
  files: Files,
  path: string,
  access: number,
  work: (file: OpenFile) => Promise<unknown>,
): Promise<boolean> {
  try {
    await using file = await files.open(path, access | constants.O_DIRECT);
    await work(file);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return false;
    throw error;
  }
}
