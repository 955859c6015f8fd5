import { EngineError } from '../errors.ts';
import type { ObjectInfo } from '../vast/store.ts';

/** Somebody else has the image now. */
export function claimTaken(prefix: string, cause?: unknown): EngineError {
  return new EngineError('VOST_CLAIM_LOST', 'busy', `another writer has taken over ${prefix}`, { cause });
}

/** @param record that it was found by. */
export function imagePending(prefix: string, { modified }: ObjectInfo): EngineError {
  const message = `${prefix} is being written, or was left unfinished ${new Date(modified).toISOString()}`;
  const advice = 'wait for the other backup, or delete the unfinished image';
  return new EngineError('VOST_IMAGE_PENDING', 'exists', message, { advice });
}

/** A complete image cannot be continued. */
export function imageComplete(prefix: string): EngineError {
  const message = `${prefix} is complete; a complete image is never written again`;
  return new EngineError('VOST_IMAGE_COMPLETE', 'access', message);
}

/** Nor can it be begun. */
export function imageExists(prefix: string): EngineError {
  return new EngineError(
    'VOST_IMAGE_EXISTS',
    'exists',
    `${prefix} is complete; a complete image is never written again`,
    {
      advice: 'choose another name or delete the image first',
    },
  );
}
