/** Positional reads. */
import { constants } from 'node:fs';
import { checkSignal } from '../body.ts';
import { ALIGNMENT, directly } from './direct-io.ts';
import type { OpenFile } from './files.ts';
import { entryPath } from './walk.ts';

/** Bytes asked of one system call; the signal is looked at between calls. */
const STEP_BYTES = 16 * 1024 * 1024;

/** Less is read by whoever jumps about in an image, and perhaps again: for that the page cache is better. */
const MIN_DIRECT_BYTES = 4 * 1024 * 1024;

/** O_NONBLOCK: a FIFO that somebody put there must not hang a thread; it means nothing to files. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Open an entry for reading; undefined when it is no regular file. */
export async function openRegular(dir: OpenFile, name: string): Promise<OpenFile | undefined> {
  const file = await dir.files.open(entryPath(dir, name), READ);
  try {
    if ((await file.stat()).isFile()) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

/**
 * Fill `into` from `position` on.
 * @returns how many bytes were there; fewer than asked at the end of the file
 */
export async function readFully(
  file: OpenFile,
  into: Uint8Array,
  position: number,
  signal?: AbortSignal | undefined,
): Promise<number> {
  let filled = 0;
  while (filled < into.byteLength) {
    checkSignal(signal);
    const length = Math.min(STEP_BYTES, into.byteLength - filled);
    const bytesRead = await file.read(into, filled, length, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** The longest beginning of `into` that direct I/O can fill; see `splitAligned` of the writes. */
function alignedBytes(into: Uint8Array, position: number): number {
  const aligned = position % ALIGNMENT === 0 && into.byteOffset % ALIGNMENT === 0;
  return aligned ? into.byteLength - (into.byteLength % ALIGNMENT) : 0;
}

/** As {@link readFully}, with `directIo` past the page cache as far as alignment and filesystem allow. */
export async function readRange(
  file: OpenFile,
  into: Uint8Array,
  position: number,
  directIo: boolean,
  signal: AbortSignal | undefined,
): Promise<number> {
  const bytes = directIo ? alignedBytes(into, position) : 0;
  const head = into.subarray(0, bytes);
  let filled = 0;
  const done =
    bytes >= MIN_DIRECT_BYTES &&
    (await directly(file.files, `/proc/self/fd/${file.fd}`, constants.O_RDONLY, async (direct) => {
      filled = await readFully(direct, head, position, signal);
    }));
  if (!done) return readFully(file, into, position, signal);
  if (filled < bytes) return filled;
  return filled + (await readFully(file, into.subarray(bytes), position + bytes, signal));
}
