/**
 * What kind of failure happened. Every layer decides by this, never by message text: the retry
 * layer (retryable, credentials), the CLI (exit codes), and the OST side (STS codes).
 *
 * - `retryable`: the same request may succeed later (503, reset connection, time-out).
 * - `credentials`: expired token or rotated key; try once more after refreshing them.
 * - `access`: authenticated but not allowed.
 * - `not-found`, `exists`, `busy`: state of the named object.
 * - `capacity`: no space, quota reached, a configured bound reached.
 * - `integrity`: bytes are not what they were; never ignored.
 * - `usage`: the caller's input is wrong.
 * - `unsupported`: the store, format version or stage cannot do this.
 * - `aborted`: somebody asked us to stop.
 * - `internal`: a bug or an unclassified system error.
 */
export const FAILURE_CLASSES = [
  'retryable',
  'credentials',
  'access',
  'not-found',
  'exists',
  'busy',
  'capacity',
  'integrity',
  'usage',
  'unsupported',
  'aborted',
  'internal',
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

export interface EngineErrorOptions {
  /** The error that led here; kept whole so that a log shows the chain. */
  readonly cause?: unknown;
  /** One sentence for the administrator: what to do next. */
  readonly advice?: string;
  /** Machine-readable context (LSU, image, key, offset, request id …). Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

const brand = Symbol.for('vast-ost.error');

/**
 * The one error class that crosses module borders. `code` is stable and documented in docs/cli.md;
 * `failure` drives behaviour; `message` says what happened and where.
 */
export class EngineError extends Error {
  readonly code: string;
  readonly failure: FailureClass;
  readonly advice: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  readonly [brand] = true;

  constructor(code: string, failure: FailureClass, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EngineError';
    this.code = code;
    this.failure = failure;
    this.advice = options.advice;
    this.details = options.details ?? {};
  }

  /** Branded so that two copies of the package still recognise each other's errors. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** The failure class of anything thrown; unknown errors are `internal`. */
export function failureOf(error: unknown): FailureClass {
  if (error instanceof EngineError) return error.failure;
  if (error instanceof Error && error.name === 'AbortError') return 'aborted';
  return 'internal';
}

/** The error that a signal was aborted with, as an {@link EngineError} of class `aborted` unless it is one already. */
export function abortError(signal: AbortSignal): EngineError {
  const reason: unknown = signal.reason;
  if (reason instanceof EngineError) return reason;
  return new EngineError('VOST_ABORTED', 'aborted', 'the operation was aborted', { cause: reason });
}
