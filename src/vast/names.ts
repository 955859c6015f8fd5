/**
 * What keys, prefixes and LSU names may look like. Checked before a store is touched, so that a bad
 * name is a `usage` error on every store and never becomes a path or a URL.
 */
import { EngineError } from '../errors.ts';

/** S3 allows 1024 bytes (AWS and VAST). */
const MAX_KEY_BYTES = 1024;
/** NAME_MAX of Linux filesystems: a segment is a file or directory name. */
const MAX_SEGMENT_BYTES = 255;
/** VAST allows 200 slashes in a key. */
const MAX_SLASHES = 200;
/** Segments that begin like this belong to the directory store (temporary files). */
export const RESERVED_PREFIX = '.vost-';
/** An NFS client renames a file that is removed while open to such a name. */
const NFS_PREFIX = '.nfs';
/** Where NFS servers show the snapshots of a directory, when their policy lets it be seen. */
export const SNAPSHOTS = '.snapshot';

/** True for file names that never are objects or folders. */
export function isReserved(segment: string): boolean {
  return segment.startsWith(RESERVED_PREFIX) || segment.startsWith(NFS_PREFIX) || segment === SNAPSHOTS;
}

const KEY = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*$/;
const PREFIX = /^[A-Za-z0-9._=/-]*$/;
const DIRECTORY_LSU = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const BUCKET_LSU = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

function validSegment(segment: string): boolean {
  return segment !== '.' && segment !== '..' && segment.length <= MAX_SEGMENT_BYTES && !isReserved(segment);
}

/** True for names that can be stored: the grammar of the store contract, S3's and Linux' lengths. */
export function isKey(key: string): boolean {
  if (key.length > MAX_KEY_BYTES || !KEY.test(key)) return false;
  const segments = key.split('/');
  return segments.length <= MAX_SLASHES + 1 && segments.every(validSegment);
}

/** @throws EngineError VOST_BAD_KEY (`usage`) */
export function checkKey(key: string): void {
  if (!isKey(key)) {
    throw new EngineError('VOST_BAD_KEY', 'usage', `not a valid key: ${JSON.stringify(key.slice(0, 200))}`);
  }
}

/**
 * A prefix is the beginning of a key; it may end inside a segment.
 * @throws EngineError VOST_BAD_KEY (`usage`)
 */
export function checkPrefix(prefix: string): void {
  const complete = prefix.split('/').slice(0, -1);
  const valid =
    prefix.length <= MAX_KEY_BYTES &&
    PREFIX.test(prefix) &&
    complete.every((segment) => segment !== '' && validSegment(segment));
  if (!valid) {
    throw new EngineError('VOST_BAD_KEY', 'usage', `not a valid key prefix: ${JSON.stringify(prefix.slice(0, 200))}`);
  }
}

/**
 * As {@link checkPrefix}, and the prefix must be '' or end in '/'.
 * @throws EngineError VOST_BAD_KEY (`usage`)
 */
export function checkFolderPrefix(prefix: string): void {
  checkPrefix(prefix);
  if (prefix !== '' && !prefix.endsWith('/')) {
    throw new EngineError('VOST_BAD_KEY', 'usage', `a folder prefix must end in '/': ${JSON.stringify(prefix)}`);
  }
}

/** Directory names that can be LSUs: a leading letter or digit keeps `.snapshot` and the like out. */
export function isDirectoryLsu(lsu: string): boolean {
  return DIRECTORY_LSU.test(lsu);
}

/** Bucket names (AWS rules without the special cases that only AWS knows). */
export function isBucketLsu(lsu: string): boolean {
  return BUCKET_LSU.test(lsu) && !lsu.includes('..');
}

/** @throws EngineError VOST_BAD_LSU (`usage`) */
export function checkLsu(lsu: string, valid: (lsu: string) => boolean): void {
  if (!valid(lsu)) {
    throw new EngineError('VOST_BAD_LSU', 'usage', `not a valid LSU name: ${JSON.stringify(lsu.slice(0, 200))}`);
  }
}
