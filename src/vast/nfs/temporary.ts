/** A file under a temporary name that becomes an object by one rename, or vanishes. */
import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { EngineError } from '../../errors.ts';
import { checkSignal } from '../body.ts';
import { RESERVED_PREFIX } from '../names.ts';
import type { ObjectInfo } from '../store.ts';
import { errnoOf, orMissing } from './classify.ts';
import type { OpenFile } from './files.ts';
import { entryPath, type LsuPlace, openFolder, splitKey } from './walk.ts';

/** Never listed, in the same directory as the object it will become. */
export const TEMPORARY_PREFIX = `${RESERVED_PREFIX}tmp-`;
/** How often a folder may vanish below us (an empty one removed by a delete) before we give up. */
const MAX_RACES = 32;

export function temporaryId(): string {
  return randomBytes(16).toString('hex');
}

/** What the store tells about a file. */
export function infoOf(key: string, stat: BigIntStats): ObjectInfo {
  return {
    key,
    size: Number(stat.size),
    modified: Number(stat.mtimeNs / 1_000_000n),
    etag: [stat.ino, stat.size, stat.mtimeNs].map((value) => value.toString(16)).join('-'),
  };
}

/** Make the key's folder and create `file` in it; both come back open. */
export async function createFile(
  place: LsuPlace,
  key: string,
  file: string,
): Promise<{ dir: OpenFile; file: OpenFile }> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  for (let race = 1; ; race += 1) {
    let dir: OpenFile | undefined;
    try {
      dir = await openFolder(place, splitKey(key).folder, true);
      return { dir, file: await dir.files.open(entryPath(dir, file), flags, 0o640) };
    } catch (error) {
      await dir?.close();
      const vanished = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESTALE';
      if (!vanished || race === MAX_RACES) throw error;
    }
  }
}

async function isMissing(dir: OpenFile, name: string, error: unknown): Promise<boolean> {
  return errnoOf(error) === 'ENOENT' && (await orMissing(dir.files.lstat(entryPath(dir, name)))) === undefined;
}

function vanished(lsu: string, key: string, cause: unknown): EngineError {
  const message = `the temporary file of ${lsu}/${key} was removed while it was written`;
  return new EngineError('VOST_TEMPORARY_GONE', 'retryable', message, { cause });
}

/** The time that a new file of the LSU has, milliseconds since the epoch. */
export async function fileTime(place: LsuPlace): Promise<number> {
  const name = TEMPORARY_PREFIX + temporaryId();
  const made = await createFile(place, name, name);
  await using dir = made.dir;
  await using file = made.file;
  try {
    // Only what is written is certain to get the server's time.
    await file.append('.');
    await file.sync();
    return Number((await file.stat()).mtimeNs / 1_000_000n);
  } finally {
    await removeFile(dir, name);
  }
}

/** Remove a file; one that is not there is fine. */
export async function removeFile(dir: OpenFile, name: string): Promise<void> {
  try {
    await dir.files.unlink(entryPath(dir, name));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * Flush the bytes of `file`, give it the name `to` and flush the directory. A rename that NFS sent twice says
 * ENOENT although the first one worked; the inode tells.
 */
export async function publish(dir: OpenFile, file: OpenFile, from: string, to: string): Promise<BigIntStats> {
  await file.datasync();
  const stat = await file.stat();
  try {
    await dir.files.rename(entryPath(dir, from), entryPath(dir, to));
  } catch (error) {
    const target = await dir.files.lstat(entryPath(dir, to)).catch(() => undefined);
    if (errnoOf(error) !== 'ENOENT' || target?.ino !== stat.ino) throw error;
  }
  await dir.sync();
  return stat;
}

/**
 * Let `fill` write a new file and publish it under the key. On any failure the temporary file is
 * removed.
 */
export async function replaceFile(
  place: LsuPlace,
  key: string,
  fill: (file: OpenFile, path: string) => Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<ObjectInfo> {
  const name = TEMPORARY_PREFIX + temporaryId();
  const made = await createFile(place, key, name);
  await using dir = made.dir;
  await using file = made.file;
  try {
    await fill(file, entryPath(dir, name));
    checkSignal(signal);
    return infoOf(key, await publish(dir, file, name, splitKey(key).name));
  } catch (error) {
    // Somebody cleans up too early: the same again, under another name.
    if (await isMissing(dir, name, error)) throw vanished(place.lsu, key, error);
    await removeFile(dir, name).catch(() => undefined);
    throw error;
  }
}
