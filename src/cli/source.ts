import { fstat, read } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { abortError, EngineError } from '../errors.ts';
import { readSocket } from './read-socket.ts';

const BLOCK_BYTES = 1024 * 1024;

/** Bytes to back up. */
export interface Source {
  /** For messages. */
  readonly name: string;
  /** When it is known beforehand. */
  readonly size: number | undefined;
  /**
   * Blocks in order. A block's memory may be reused when the next one is asked for. When the signal fires it ends with the
   * signal's reason, even if the source is a pipe that stays silent.
   */
  blocks(signal: AbortSignal): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** Open a file, or standard input for `-`. */
export async function openSource(path: string): Promise<Source> {
  if (path === '-') return standardInput();
  const handle = await openFile(path);
  const info = await handle.stat();
  if (info.isDirectory()) {
    await handle.close();
    throw new EngineError('VOST_NO_INPUT', 'usage', `${path} is a directory`, {
      advice: `tar -cf - ${path} | vast-ost backup LSU IMAGE -`,
    });
  }
  return {
    name: path,
    size: info.isFile() ? info.size : undefined,
    blocks: (signal) =>
      readBlocks(path, signal, async (buffer) => (await handle.read(buffer, 0, buffer.byteLength, null)).bytesRead),
    // A read of an idle pipe that was given up may still be under way; closing would wait for it.
    close: async () => {
      const closed = handle.close();
      if (info.isFile()) await closed;
      else closed.catch(() => undefined);
    },
  };
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw cannotRead(path, cause);
  }
}

function cannotRead(name: string, cause: unknown): EngineError {
  return new EngineError('VOST_NO_INPUT', 'usage', `cannot read ${name}: ${(cause as Error).message}`, { cause });
}

const statDescriptor = promisify(fstat);
const readDescriptor = promisify(read);

/**
 * Descriptor 0 as it is: opening /dev/stdin anew fails when it is a socket. A pipe or socket may stay silent for ever, and a
 * read that blocks a thread could then not be given up, so these are read as the event loop does.
 */
async function standardInput(): Promise<Source> {
  if (isatty(0)) {
    throw new EngineError('VOST_NO_INPUT', 'usage', 'standard input is a terminal', {
      advice: 'pipe the data in, or name a file',
    });
  }
  const name = 'standard input';
  const info = await statDescriptor(0);
  if (info.isDirectory()) throw new EngineError('VOST_NO_INPUT', 'usage', `${name} is a directory`);
  const blocks: Source['blocks'] =
    info.isFIFO() || info.isSocket()
      ? (signal) => readSocket(0, BLOCK_BYTES, signal)
      : (signal) =>
          readBlocks(
            name,
            signal,
            async (buffer) => (await readDescriptor(0, buffer, 0, buffer.byteLength, null)).bytesRead,
          );
  return { name, size: undefined, blocks, close: async () => undefined };
}

/** Reads one block while the one before is being taken in. */
async function* readBlocks(
  name: string,
  signal: AbortSignal,
  read: (buffer: Buffer) => Promise<number>,
): AsyncGenerator<Uint8Array> {
  const fill = (buffer: Buffer): Promise<number> =>
    read(buffer).catch((cause: unknown) => {
      throw cannotRead(name, cause);
    });
  let [current, next] = [Buffer.allocUnsafeSlow(BLOCK_BYTES), Buffer.allocUnsafeSlow(BLOCK_BYTES)];
  let ahead = fill(current);
  for (;;) {
    const bytes = await untilAborted(ahead, signal);
    if (bytes === 0) return;
    ahead = fill(next);
    // Whoever stops early leaves a read behind; its failure would have nobody to go to.
    ahead.catch(() => undefined);
    yield current.subarray(0, bytes);
    [current, next] = [next, current];
  }
}

/** The promise, or the signal's reason if that comes first. Leaves no listener behind: sources have millions of blocks. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(abortError(signal));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
