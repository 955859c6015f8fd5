import { EngineError, type EngineErrorOptions } from '../errors.ts';

/** A request that makes no sense: bad number, range, mode or state. */
export function invalid(message: string, options: EngineErrorOptions = {}): EngineError {
  return new EngineError('VOST_INVALID', 'usage', message, options);
}

/** A configured bound is reached. */
export function limitReached(message: string, advice?: string): EngineError {
  return new EngineError('VOST_LIMIT', 'capacity', message, advice === undefined ? {} : { advice });
}

export function notFound(message: string, advice?: string): EngineError {
  return new EngineError('VOST_NOT_FOUND', 'not-found', message, advice === undefined ? {} : { advice });
}

export function inUse(message: string): EngineError {
  return new EngineError('VOST_IMAGE_IN_USE', 'busy', message, { advice: 'wait until the other job has ended' });
}

/** What a caller hears whose call was ended by a close. */
export function abandoned(message: string): EngineError {
  return new EngineError('VOST_ABORTED', 'aborted', message);
}

/** Anything thrown, as an {@link EngineError}. */
export function engineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  return new EngineError('VOST_INTERNAL', 'internal', 'internal error', { cause: error });
}
