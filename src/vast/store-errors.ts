/** The errors that every store throws alike. */
import { EngineError, type EngineErrorOptions } from '../errors.ts';

export function noSuchLsu(lsu: string, cause?: unknown): EngineError {
  return new EngineError('VOST_NO_SUCH_LSU', 'not-found', `there is no LSU ${lsu}`, { cause, details: { lsu } });
}

export function lsuExists(lsu: string, cause?: unknown): EngineError {
  return new EngineError('VOST_LSU_EXISTS', 'exists', `the LSU ${lsu} exists already`, { cause, details: { lsu } });
}

export function noSuchKey(lsu: string, key: string, cause?: unknown): EngineError {
  return new EngineError('VOST_NO_SUCH_KEY', 'not-found', `there is no object ${lsu}/${key}`, {
    cause,
    details: { lsu, key },
  });
}

export function noSuchUpload(lsu: string, key: string, id: string, cause?: unknown): EngineError {
  return new EngineError('VOST_NO_SUCH_UPLOAD', 'not-found', `there is no upload ${id} of ${lsu}/${key}`, {
    cause,
    details: { lsu, key, upload: id },
  });
}

/** A read that reaches beyond the end of the object. */
export function shortRead(lsu: string, key: string, offset: number, wanted: number, cause?: unknown): EngineError {
  return new EngineError('VOST_SHORT_READ', 'not-found', `${lsu}/${key} has no ${wanted} bytes at offset ${offset}`, {
    cause,
    details: { lsu, key, offset, wanted },
  });
}

/** The object that was stored is not as large as what was sent. */
export function wrongSize(lsu: string, key: string, expected: number, found: number): EngineError {
  return new EngineError('VOST_WRONG_SIZE', 'integrity', `${lsu}/${key} has ${found} bytes instead of ${expected}`, {
    details: { lsu, key, expected, found },
  });
}

/** The list of parts given to complete is not what the store holds. */
export function badParts(lsu: string, key: string, why: string, options: EngineErrorOptions = {}): EngineError {
  return new EngineError('VOST_BAD_PARTS', 'usage', `cannot complete the upload of ${lsu}/${key}: ${why}`, {
    ...options,
    details: { lsu, key, ...options.details },
  });
}

/** The storage was closed before or during the call. */
export function storageClosed(name: string): EngineError {
  return new EngineError('VOST_STORAGE_CLOSED', 'usage', `the storage ${name} is closed`);
}
