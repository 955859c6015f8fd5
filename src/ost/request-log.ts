import type { Logger } from 'pino';
import type { Handles } from './handles.ts';

interface Subject {
  readonly handle?: unknown;
  readonly lsu?: unknown;
  readonly id?: { readonly basename?: unknown };
}

/** The log of the image that a message of the host is about, else that of its session. */
export function logOf({ log, handles }: { readonly log: Logger; readonly handles: Handles }, message: unknown): Logger {
  const { handle } = message as Subject;
  return (typeof handle === 'bigint' ? handles.image(handle)?.place.log : undefined) ?? log;
}

/** LSU and image that a message names itself: of what could not be opened nothing else tells. */
export function subjectOf(message: unknown): { readonly lsu?: string; readonly image_name?: string } {
  const { lsu, id } = message as Subject;
  return {
    ...(typeof lsu === 'string' ? { lsu } : {}),
    ...(typeof id?.basename === 'string' ? { image_name: id.basename } : {}),
  };
}
