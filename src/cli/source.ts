import { type FileHandle, open } from 'node:fs/promises';
import { EngineError } from '../errors.ts';

const BLOCK_BYTES = 1024 * 1024;

/** Bytes to back up. */
export interface Source {
  /** For messages. */
  readonly name: string;
  /** When it is known beforehand. */
  readonly size: number | undefined;
  /** Blocks in order. A block's memory is reused after the next but one was asked for. */
  blocks(): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** Open a file, or standard input for `-`. */
export async function openSource(path: string): Promise<Source> {
  if (path === '-' && process.stdin.isTTY) {
    throw new EngineError('VOST_NO_INPUT', 'usage', 'standard input is a terminal', {
      advice: 'pipe the data in, or name a file',
    });
  }
  const handle = await openFile(path === '-' ? '/dev/stdin' : path);
  const info = await handle.stat();
  if (info.isDirectory()) {
    await handle.close();
    throw new EngineError('VOST_NO_INPUT', 'usage', `${path} is a directory`, {
      advice: `tar -cf - ${path} | vast-ost backup LSU IMAGE -`,
    });
  }
  return {
    name: path === '-' ? 'standard input' : path,
    size: info.isFile() && path !== '-' ? info.size : undefined,
    blocks: () => readBlocks(handle),
    close: () => handle.close(),
  };
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new EngineError('VOST_NO_INPUT', 'usage', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Reads one block while the one before is being taken in. */
async function* readBlocks(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const buffers = [Buffer.allocUnsafeSlow(BLOCK_BYTES), Buffer.allocUnsafeSlow(BLOCK_BYTES)];
  const fill = (nth: number) => handle.read(buffers[nth % 2] as Buffer, 0, BLOCK_BYTES, null);
  let ahead = fill(0);
  for (let nth = 1; ; nth += 1) {
    const { bytesRead, buffer } = await ahead;
    if (bytesRead === 0) return;
    ahead = fill(nth);
    // Whoever stops early leaves a read behind; its failure would have nobody to go to.
    ahead.catch(() => undefined);
    yield buffer.subarray(0, bytesRead);
  }
}
