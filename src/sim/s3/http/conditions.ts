import { s3Error } from '../s3-error.ts';

/** What a conditional request compares. */
export interface Current {
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

/** The four condition headers, whatever their names are in the request at hand. */
export interface Conditions {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly ifUnmodifiedSince: string | undefined;
}

function names(list: string, etag: string): boolean {
  return list.split(',').some((item) => ['*', etag].includes(item.trim().replace(/^(W\/)?"(.*)"$/, '$2')));
}

/**
 * Whether a read goes on, is answered "not modified", or fails (RFC 9110 section 13.2.2: a match
 * by ETag makes the date beside it void).
 */
export function checkConditions(conditions: Conditions, current: Current): 'go-on' | 'not-modified' {
  const { ifMatch, ifNoneMatch } = conditions;
  const seconds = Math.floor(current.modified / 1000) * 1000;
  if (ifMatch !== undefined) {
    if (!names(ifMatch, current.etag)) throw s3Error('PreconditionFailed');
  } else if (seconds > Date.parse(conditions.ifUnmodifiedSince ?? '')) {
    throw s3Error('PreconditionFailed');
  }
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, current.etag) ? 'not-modified' : 'go-on';
  return seconds <= Date.parse(conditions.ifModifiedSince ?? '') ? 'not-modified' : 'go-on';
}

/** Conditions of a write, for stores that honour them: `current` is what the key holds now. */
export function checkWriteConditions(header: (name: string) => string | undefined, current: Current | undefined): void {
  const ifMatch = header('if-match');
  const ifNoneMatch = header('if-none-match');
  if (ifNoneMatch !== undefined && current !== undefined && names(ifNoneMatch, current.etag)) {
    throw s3Error('PreconditionFailed');
  }
  if (ifMatch === undefined) return;
  if (current === undefined) throw s3Error('NoSuchKey');
  if (!names(ifMatch, current.etag)) throw s3Error('PreconditionFailed');
}
