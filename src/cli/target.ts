import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError, type FailureClass } from '../errors.ts';

/** Where restored bytes go, in order. */
export interface Target {
  readonly name: string;
  /** The memory is the caller's again when this resolves. */
  write(data: Uint8Array): Promise<void>;
  /** Everything has been written: make it durable and give it its name. */
  finish(): Promise<void>;
  /** Drop what was written. */
  discard(): Promise<void>;
}

/** A file (under a temporary name until complete), a device or pipe, or standard output for `-`. */
export async function openTarget(path: string): Promise<Target> {
  if (path === '-') return standardOutput();
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory()) throw new EngineError('VOST_NO_OUTPUT', 'usage', `${path} is a directory`);
  const special = existing !== undefined && !existing.isFile();
  const partial = special ? path : `${path}.partial`;
  let handle: FileHandle;
  try {
    // Made anew: one that is there may be open to others, or lead elsewhere.
    if (!special) await rm(partial, { force: true });
    handle = await open(partial, special ? 'w' : 'wx', 0o600);
  } catch (cause) {
    throw cannotWrite(partial, cause);
  }
  return {
    name: path,
    write: async (data) => {
      try {
        for (let done = 0; done < data.byteLength; ) {
          const { bytesWritten } = await handle.write(data, done);
          done += bytesWritten;
        }
      } catch (cause) {
        throw cannotWrite(partial, cause);
      }
    },
    finish: async () => {
      try {
        if (!special) await handle.sync();
        await handle.close();
        if (special) return;
        await rename(partial, path);
        const folder = await open(dirname(path), 'r');
        await folder.sync().finally(() => folder.close());
      } catch (cause) {
        throw cannotWrite(path, cause);
      }
    },
    discard: async () => {
      await handle.close();
      if (!special) await rm(partial, { force: true });
    },
  };
}

/** What the system's error means for the caller; anything else is about the path that was given. */
const FAILURES: Readonly<Record<string, FailureClass>> = {
  ENOSPC: 'capacity',
  EDQUOT: 'capacity',
  EFBIG: 'capacity',
  EACCES: 'access',
  EPERM: 'access',
  EPIPE: 'aborted',
};

function cannotWrite(path: string, cause: unknown): EngineError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new EngineError('VOST_NO_OUTPUT', FAILURES[code ?? ''] ?? 'usage', `cannot write ${path}: ${message}`, {
    cause,
  });
}

function standardOutput(): Target {
  // A reader that goes away is reported by the write; without a listener the stream would end the process.
  process.stdout.on('error', () => undefined);
  return {
    name: 'standard output',
    write: (data) =>
      new Promise((resolve, reject) => {
        process.stdout.write(data, (error) => {
          if (error)
            reject(new EngineError('VOST_OUTPUT_CLOSED', 'aborted', 'standard output was closed', { cause: error }));
          else resolve();
        });
      }),
    finish: async () => undefined,
    discard: async () => undefined,
  };
}
