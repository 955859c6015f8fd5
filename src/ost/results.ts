import { EngineError, type FailureClass, failureOf } from '../errors.ts';
import { MAX_CAUSE, RESULT, type ResultName } from './wire/constants.ts';
import type { WireError } from './wire/groups.ts';
import { clipText } from './wire/text.ts';

/** docs/engine-protocol.md section 4.1. */
const BY_FAILURE: Readonly<Record<FailureClass, ResultName>> = {
  retryable: 'AGAIN',
  credentials: 'AUTH',
  access: 'ACCESS',
  'not-found': 'NOT_FOUND',
  exists: 'EXISTS',
  busy: 'BUSY',
  capacity: 'NO_SPACE',
  integrity: 'INTEGRITY',
  usage: 'INVALID',
  unsupported: 'UNSUPPORTED',
  aborted: 'ABORTED',
  internal: 'INTERNAL',
};

/** Where the class says too little. */
const BY_CODE: Readonly<Record<string, ResultName>> = {
  VOST_LIMIT: 'LIMIT',
  VOST_IMAGE_COMPLETE: 'READ_ONLY',
  VOST_TIMEOUT: 'TIMEOUT',
  VOST_WORM_LOCKED: 'WORM_LOCKED',
  VOST_WORM_MAXIMUM: 'WORM_MAXIMUM',
  VOST_WORM_MINIMUM: 'WORM_MINIMUM',
};

/** Codes below an error that mean that nobody is there, or not any more. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** What an error is on the wire. */
export function resultOf(error: unknown): ResultName {
  if (error instanceof EngineError && BY_CODE[error.code] !== undefined) return BY_CODE[error.code] as ResultName;
  const failure = failureOf(error);
  const errno = errnoBelow(error);
  if (failure === 'retryable') return errno !== undefined && UNREACHABLE.has(errno) ? 'NETWORK' : 'AGAIN';
  if (failure !== 'internal' || errno === undefined) return BY_FAILURE[failure];
  return errno === 'ENOMEM' ? 'NO_MEMORY' : 'SYSTEM';
}

/** Chains of causes are short; a longer one is a loop. */
const MAX_CAUSES = 10;

function errnoBelow(error: unknown): string | undefined {
  let at = error;
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth += 1) {
    // The S3 store keeps nothing of its client's errors but their codes.
    const code = at instanceof EngineError ? at.details['socketCode'] : (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && /^(E|UND_ERR_)[A-Z0-9_]+$/.test(code)) return code;
    at = at.cause;
  }
  return undefined;
}

/** One sentence for the administrator. What is not an {@link EngineError} is ours alone and stays in the log. */
export function causeOf(error: unknown): string {
  if (!(error instanceof EngineError)) return 'internal error; the engine’s log has more [VOST_INTERNAL]';
  const advice = error.advice === undefined ? '' : `; ${error.advice}`;
  const code = ` [${error.code}]`;
  return clipText(`${error.message}${advice}`, MAX_CAUSE - code.length) + code;
}

/** The payload of an answer that says no. */
export function wireErrorOf(error: unknown, detail = 0n): WireError {
  return { result: RESULT[resultOf(error)], detail, cause: causeOf(error) };
}
