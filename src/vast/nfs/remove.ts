/** Deleting objects, and the folders that became empty. */
import { checkSignal } from '../body.ts';
import { errnoOf, orMissing } from './classify.ts';
import type { OpenFile } from './files.ts';
import { sidecarName } from './sidecar.ts';
import { removeFile, TEMPORARY_PREFIX } from './temporary.ts';
import { entryPath, findFolder, type LsuPlace, splitKey } from './walk.ts';

/** Unlinks at the same time; few, since they share the thread pool with the data path. */
const BATCH = 16;
/** A folder with more entries than this is not swept. */
const MAX_SWEEP = 64;
/** A temporary file of a writer that died is garbage after a day. */
const STALE_MS = 24 * 3_600_000;

async function unlinkObject(dir: OpenFile, name: string): Promise<void> {
  try {
    await dir.files.unlink(entryPath(dir, name));
  } catch (error) {
    const errno = errnoOf(error);
    // EISDIR: a folder has that name, so there is no such key.
    if (errno !== 'ENOENT' && errno !== 'EISDIR') throw error;
  }
}

/** Delete the keys, flush their directories, and remove folders left empty. */
export async function deleteKeys(
  place: LsuPlace,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const folders = Map.groupBy(keys, (key) => splitKey(key).folder.join('/'));
  for (const members of folders.values()) {
    const { folder } = splitKey(members[0] ?? '');
    const found = await findFolder(place, folder);
    if (found === undefined) continue;
    let stays: boolean;
    {
      await using dir = found;
      for (let at = 0; at < members.length; at += BATCH) {
        checkSignal(signal);
        const batch = members.slice(at, at + BATCH);
        await Promise.all(batch.map((key) => unlinkObject(dir, splitKey(key).name)));
      }
      await dir.sync();
      stays = await holdsMore(dir).catch(() => false);
    }
    if (stays) continue;
    // A folder that stays is seen by nobody; the keys are gone all the same.
    await pruneFolder(place, folder).catch(() => undefined);
  }
}

/** Whether there is anything but temporary files in a folder. */
async function holdsMore(dir: OpenFile): Promise<boolean> {
  for await (const { name } of dir.files.entries(entryPath(dir, '.')))
    if (!name.startsWith(TEMPORARY_PREFIX)) return true;
  return false;
}

/**
 * Remove the folder and its parents as far as they are empty. rmdir refuses a folder with entries,
 * so a writer that just came loses nothing; one that comes between makes the folder again.
 */
export async function pruneFolder(place: LsuPlace, folder: readonly string[]): Promise<void> {
  for (let depth = folder.length; depth > 0; depth -= 1) {
    const parent = await findFolder(place, folder.slice(0, depth - 1));
    if (parent === undefined) continue;
    await using dir = parent;
    const name = folder[depth - 1] ?? '';
    if (await removeEmpty(dir, name)) continue;
    if (!(await sweep(place, folder.slice(0, depth))) || !(await removeEmpty(dir, name))) return;
  }
}

/** True when the directory is gone. */
async function removeEmpty(parent: OpenFile, name: string): Promise<boolean> {
  try {
    await parent.files.rmdir(entryPath(parent, name));
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return true;
    if (errno === 'ENOTEMPTY' || errno === 'EEXIST' || errno === 'EBUSY' || errno === 'ENOTDIR') return false;
    throw error;
  }
}

/** When a folder holds nothing but old temporary files without an upload's record, remove them; false when it holds more. */
async function sweep(place: LsuPlace, folder: readonly string[]): Promise<boolean> {
  const found = await findFolder(place, folder);
  if (found === undefined) return true;
  await using dir = found;
  const names: string[] = [];
  for await (const entry of dir.files.entries(entryPath(dir, '.'))) {
    if (!entry.name.startsWith(TEMPORARY_PREFIX) || names.length === MAX_SWEEP) return false;
    names.push(entry.name);
  }
  const present = new Set(names);
  for (const name of names) {
    const stat = await orMissing(dir.files.lstat(entryPath(dir, name)));
    const owned = present.has(sidecarName(name.slice(TEMPORARY_PREFIX.length)));
    if (owned || stat === undefined || Date.now() - Number(stat.mtimeMs) < STALE_MS) return false;
  }
  for (const name of names) await removeFile(dir, name);
  return true;
}
