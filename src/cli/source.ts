import { fstat, read } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { abortError, EngineError } from '../errors.ts';

const BLOCK_BYTES = 1024 * 1024;
const STDIN = 0;

/** Bytes to back up. */
export interface Source {
  /** For messages. */
  readonly name: string;
  /** When it is known beforehand. */
  readonly size: number | undefined;
  /** Blocks in order, one reader only. A block's memory is reused once the next one was asked for. Ends with the signal's reason when it fires. */
  blocks(signal?: AbortSignal): AsyncGenerator<Uint8Array>;
  /** Does not wait for a read that is under way: that of an idle pipe would never end. */
  close(): Promise<void>;
}

/** Open a file, or standard input for `-`. */
export async function openSource(path: string): Promise<Source> {
  if (path === '-' && process.stdin.isTTY) {
    throw new EngineError('VOST_NO_INPUT', 'usage', 'standard input is a terminal', {
      advice: 'pipe the data in, or name a file',
    });
  }
  // Descriptor 0 itself, not /dev/stdin: that cannot be opened when it is a socket and begins again when it is a file.
  const handle = path === '-' ? undefined : await openFile(path);
  const info = await (handle?.stat() ?? promisify(fstat)(STDIN));
  const name = path === '-' ? 'standard input' : path;
  if (info.isDirectory()) {
    await handle?.close();
    throw new EngineError('VOST_NO_INPUT', 'usage', `${name} is a directory`, {
      advice: `tar -cf - ${path === '-' ? 'DIR' : path} | vast-ost backup LSU IMAGE -`,
    });
  }
  let reading = false;
  const fill = async (into: Buffer): Promise<Uint8Array> => {
    reading = true;
    try {
      const { bytesRead } = await (handle?.read(into, 0, BLOCK_BYTES, null) ??
        promisify(read)(STDIN, into, 0, BLOCK_BYTES, null));
      return into.subarray(0, bytesRead);
    } catch (cause) {
      throw cannotRead(name, cause);
    } finally {
      reading = false;
    }
  };
  return {
    name,
    size: info.isFile() && path !== '-' ? info.size : undefined,
    blocks: (signal) => readBlocks(fill, signal),
    close: async () => {
      const closed = handle?.close().catch((cause) => Promise.reject(cannotRead(name, cause)));
      if (reading) closed?.catch(() => undefined);
      else await closed;
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

/** Reads one block while the one before is being taken in. */
async function* readBlocks(
  fill: (into: Buffer) => Promise<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let [current, other] = [Buffer.allocUnsafeSlow(BLOCK_BYTES), Buffer.allocUnsafeSlow(BLOCK_BYTES)];
  let ahead = fill(current);
  for (;;) {
    const block = await unlessAborted(ahead, signal);
    if (block.byteLength === 0) return;
    [current, other] = [other, current];
    ahead = fill(current);
    // Whoever stops early leaves a read behind; its failure would have nobody to go to.
    ahead.catch(() => undefined);
    yield block;
  }
}

/** The promise's outcome, or the signal's reason if it fires first. Leaves no listener behind. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
