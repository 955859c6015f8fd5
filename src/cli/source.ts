import { read } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { abortError, EngineError } from '../errors.ts';

const BLOCK_BYTES = 1024 * 1024;

/** Bytes to back up. */
export interface Source {
  /** For messages. */
  readonly name: string;
  /** When it is known beforehand. */
  readonly size: number | undefined;
  /**
   * Blocks in order. A block's memory is reused after the next but one was asked for. When the signal fires it ends with
   * the signal's reason, even if the source is a pipe that stays silent.
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
      readBlocks(signal, async (buffer) => (await handle.read(buffer, 0, buffer.byteLength, null)).bytesRead),
    close: () => handle.close(),
  };
}

/** Descriptor 0 is read as it is: opening /dev/stdin anew fails when it is a socket. */
function standardInput(): Source {
  if (isatty(0)) {
    throw new EngineError('VOST_NO_INPUT', 'usage', 'standard input is a terminal', {
      advice: 'pipe the data in, or name a file',
    });
  }
  return {
    name: 'standard input',
    size: undefined,
    blocks: (signal) =>
      readBlocks(signal, async (buffer) => (await readDescriptor(0, buffer, 0, buffer.byteLength, null)).bytesRead),
    close: async () => undefined,
  };
}

const readDescriptor = promisify(read);

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new EngineError('VOST_NO_INPUT', 'usage', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Reads one block while the one before is being taken in. */
async function* readBlocks(signal: AbortSignal, fill: (buffer: Buffer) => Promise<number>): AsyncGenerator<Uint8Array> {
  const buffers = [Buffer.allocUnsafeSlow(BLOCK_BYTES), Buffer.allocUnsafeSlow(BLOCK_BYTES)] as const;
  let ahead = fill(buffers[0]);
  for (let nth = 0; ; nth ^= 1) {
    const bytes = await untilAborted(ahead, signal);
    if (bytes === 0) return;
    ahead = fill(buffers[(nth ^ 1) as 0 | 1]);
    // Whoever stops early leaves a read behind; its failure would have nobody to go to.
    ahead.catch(() => undefined);
    yield buffers[nth as 0 | 1].subarray(0, bytes);
  }
}

/** The promise, or the signal's reason if that comes first. Leaves no listener behind: sources have millions of blocks. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(abortError(signal));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
