import { EngineError, type FailureClass } from '../../errors.ts';

/** Chains of causes are short; a longer one is a loop. */
const MAX_CAUSES = 8;

/** An error as it goes from one thread to another. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  /** Of an {@link EngineError} only. */
  readonly failure: FailureClass | undefined;
  readonly advice: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly cause: PlainError | undefined;
}

/** Everything of an error that counts for whoever decides, tells or logs. */
export function plainError(error: unknown, depth = 0): PlainError {
  const made = error instanceof Error ? error : new Error(String(error));
  const engine = error instanceof EngineError ? error : undefined;
  const { code } = made as NodeJS.ErrnoException;
  const { cause } = made;
  return {
    name: made.name,
    message: made.message,
    stack: made.stack,
    code: typeof code === 'string' ? code : undefined,
    failure: engine?.failure,
    advice: engine?.advice,
    details: engine && cloneable(engine.details),
    cause: cause === undefined || depth >= MAX_CAUSES ? undefined : plainError(cause, depth + 1),
  };
}

/** The error again; its stack is that of the thread where it happened. */
export function errorOf({ name, message, stack, code, failure, advice, details, cause }: PlainError): Error {
  const below = cause && errorOf(cause);
  const options = {
    ...(below && { cause: below }),
    ...(advice === undefined ? {} : { advice }),
    ...(details && { details }),
  };
  const error =
    failure === undefined
      ? new Error(message, options)
      : new EngineError(code ?? 'VOST_INTERNAL', failure, message, options);
  if (failure === undefined) {
    error.name = name;
    if (code !== undefined) Object.assign(error, { code });
  }
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** Details are plain values; what is not is told as text. */
function cloneable(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => {
      const simple = value === null || !['object', 'function', 'symbol'].includes(typeof value);
      return [key, simple ? value : JSON.stringify(value)];
    }),
  );
}
