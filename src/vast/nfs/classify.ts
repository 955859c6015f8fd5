/** Errors of the operating system, as failure classes: the one table of the directory store. */
import { constants } from 'node:os';
import { EngineError, type FailureClass } from '../../errors.ts';

interface Verdict {
  readonly code: string;
  readonly failure: FailureClass;
  readonly advice?: string;
}

const NO_SPACE: Verdict = {
  code: 'VOST_NO_SPACE',
  failure: 'capacity',
  advice: 'Free space, raise the quota, or expire old images.',
};
const ACCESS: Verdict = {
  code: 'VOST_ACCESS_DENIED',
  failure: 'access',
  advice: 'Check owner, mode and export options (root squash, read-only) of the directory.',
};
const UNAVAILABLE: Verdict = { code: 'VOST_STORE_UNAVAILABLE', failure: 'retryable' };
const NO_DESCRIPTORS: Verdict = {
  code: 'VOST_NO_DESCRIPTORS',
  failure: 'retryable',
  advice: 'Raise the limit of open files (LimitNOFILE of the unit, ulimit -n), or have fewer images open at once.',
};
const CONFLICT: Verdict = {
  code: 'VOST_KEY_CONFLICT',
  failure: 'usage',
  advice: 'A name cannot be an object and a folder at the same time in a directory.',
};
const BROKEN: Verdict = { code: 'VOST_IO', failure: 'internal' };

const TABLE: Readonly<Record<string, Verdict>> = {
  ENOSPC: NO_SPACE,
  EDQUOT: NO_SPACE,
  EFBIG: { code: 'VOST_OBJECT_TOO_LARGE', failure: 'capacity' },
  EACCES: ACCESS,
  EPERM: ACCESS,
  EROFS: ACCESS,
  ELOOP: { code: 'VOST_SYMLINK', failure: 'access', advice: 'Symbolic links inside a storage are not followed.' },
  ENOENT: { code: 'VOST_NO_SUCH_FILE', failure: 'not-found' },
  EEXIST: { code: 'VOST_FILE_EXISTS', failure: 'exists' },
  EISDIR: CONFLICT,
  ENOTDIR: CONFLICT,
  ENOTEMPTY: CONFLICT,
  // An NFS server that restarts, a soft mount that gave up, a handle of a replaced directory.
  ESTALE: UNAVAILABLE,
  ETIMEDOUT: UNAVAILABLE,
  EIO: UNAVAILABLE,
  EREMOTEIO: UNAVAILABLE,
  EHOSTDOWN: UNAVAILABLE,
  EHOSTUNREACH: UNAVAILABLE,
  ENETUNREACH: UNAVAILABLE,
  ECONNREFUSED: UNAVAILABLE,
  ECONNRESET: UNAVAILABLE,
  ENOTCONN: UNAVAILABLE,
  EAGAIN: UNAVAILABLE,
  EINTR: UNAVAILABLE,
  EBUSY: UNAVAILABLE,
  ENOMEM: UNAVAILABLE,
  ENOBUFS: UNAVAILABLE,
  ENFILE: NO_DESCRIPTORS,
  EMFILE: NO_DESCRIPTORS,
};

/** Names by number: libuv knows neither ESTALE nor EDQUOT and calls them "Unknown system error -116". */
const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [-number, name]));

/** The errno name of a system error, '' for anything else. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code, errno } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string') return '';
  return TABLE[code] === undefined && errno !== undefined ? (NAMES.get(errno) ?? code) : code;
}

/** The result, or undefined when the file is not there. */
export async function orMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * A system error as an {@link EngineError} with path and syscall in its details; an EngineError is
 * returned as it is. `what` says what was tried, for people.
 */
export function fileError(error: unknown, what: string): EngineError {
  if (error instanceof EngineError) return error;
  const errno = errnoOf(error);
  const system = (error instanceof Error ? error : {}) as Partial<NodeJS.ErrnoException>;
  const verdict = TABLE[errno] ?? BROKEN;
  return new EngineError(verdict.code, verdict.failure, `${what}: ${system.message ?? String(error)}`, {
    cause: error,
    ...(verdict.advice === undefined ? {} : { advice: verdict.advice }),
    details: { errno, syscall: system.syscall, path: system.path },
  });
}
