import { fstat, read } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isatty } from 'node:tty';
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
  if (path === '-' && isatty(STDIN)) {
    throw new EngineError('VOST_NO_INPUT', 'usage', 'standard input is a terminal', {
      advice: 'pipe the data in, or name a file',
    });
  }
  // Descriptor 0 itself, not /dev/stdin: that cannot be opened when it is a socket and begins anew when it is a file.
  const handle = path === '-' ? undefined : await openFile(path);
  const info = await (handle?.stat() ?? promisify(fstat)(STDIN));
  const name = path === '-' ? 'standard input' : path;
  if (info.isDirectory()) {
    await handle?.close();
    throw new EngineError('VOST_NO_INPUT', 'usage', `${name} is a directory`, {
      advice: `tar -cf - ${path === '-' ? 'DIR' : path} | vast-ost backup LSU IMAGE -`,
    });
  }
  const base = { name, size: info.isFile() && path !== '-' ? info.size : undefined };
  if (handle === undefined && (info.isFIFO() || info.isSocket())) return { ...base, ...streamSource(name) };
  return { ...base, ...fileSource(name, handle) };
}

/** A pipe may be in non-blocking mode, set by us or by whoever had it before; the stream copes with that. */
function streamSource(name: string): Pick<Source, 'blocks' | 'close'> {
  const chunks = process.stdin.iterator({ destroyOnReturn: false });
  const next = async (): Promise<Uint8Array> => {
    try {
      const { value, done } = (await chunks.next()) as IteratorResult<Uint8Array, undefined>;
      return done ? new Uint8Array(0) : value;
    } catch (cause) {
      throw cannotRead(name, cause);
    }
  };
  return {
    blocks: (signal) => readBlocks(next, signal),
    close: async () => {
      process.stdin.destroy();
    },
  };
}

/** A file or device, by its handle or as descriptor 0. */
function fileSource(name: string, handle: FileHandle | undefined): Pick<Source, 'blocks' | 'close'> {
  let buffers: readonly [Buffer, Buffer] | undefined;
  let reading = false;
  const next = async (): Promise<Uint8Array> => {
    reading = true;
    try {
      const [spare, into] = buffers ?? [Buffer.allocUnsafeSlow(BLOCK_BYTES), Buffer.allocUnsafeSlow(BLOCK_BYTES)];
      buffers = [into, spare];
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
    blocks: (signal) => readBlocks(next, signal),
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
  next: () => Promise<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let ahead = next();
  for (;;) {
    const block = await unlessAborted(ahead, signal);
    if (block.byteLength === 0) return;
    ahead = next();
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
