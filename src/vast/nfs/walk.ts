/**
 * From a key to an open directory, one segment at a time and never through a symbolic link. Node has
 * no openat, so names are resolved below /proc/self/fd/N, which the kernel resolves to the open
 * directory itself: nobody can swap a directory for a link between the check and the use.
 */
import { constants } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../errors.ts';
import { noSuchLsu } from '../store-errors.ts';
import { errnoOf } from './classify.ts';
import type { Files, OpenFile } from './files.ts';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Where an LSU lives. */
export interface LsuPlace {
  readonly lsu: string;
  /** Absolute. */
  readonly directory: string;
  /** A directory inside it in its stead, segment by segment. */
  readonly inside?: readonly string[];
  /** How it is reached. */
  readonly files: Files;
}

/** The place for one request, which the signal ends. */
export function during(place: LsuPlace, signal: AbortSignal | undefined): LsuPlace {
  return signal === undefined ? place : { ...place, files: place.files.until(signal) };
}

/** The path of an entry of an open directory. */
export function entryPath(dir: OpenFile, name: string): string {
  return `/proc/self/fd/${dir.fd}/${name}`;
}

/** The segments of the folder of a key, and its last segment. */
export function splitKey(key: string): { readonly folder: readonly string[]; readonly name: string } {
  const segments = key.split('/');
  return { folder: segments.slice(0, -1), name: segments.at(-1) ?? '' };
}

/** @throws EngineError VOST_SYMLINK (`access`) */
function refuseLink(path: string, cause: unknown): never {
  throw new EngineError('VOST_SYMLINK', 'access', `${path} is a symbolic link`, {
    cause,
    advice: 'Symbolic links inside a storage are not followed.',
    details: { path },
  });
}

/** Linux answers ENOTDIR for a link opened with O_DIRECTORY|O_NOFOLLOW; say what it really is. */
async function openDirectory(files: Files, path: string, shown: string): Promise<OpenFile> {
  try {
    return await files.open(path, DIRECTORY);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ELOOP') refuseLink(shown, error);
    if (errno === 'ENOTDIR' && (await files.lstat(path).catch(() => undefined))?.isSymbolicLink()) {
      refuseLink(shown, error);
    }
    throw error;
  }
}

/** Make a directory durably; one that exists is fine. */
async function makeDirectory(parent: OpenFile, name: string): Promise<void> {
  try {
    await parent.files.mkdir(entryPath(parent, name), 0o750);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    throw error;
  }
  await parent.sync();
}

async function enter(parent: OpenFile, name: string, shown: string, create: boolean): Promise<OpenFile> {
  try {
    return await openDirectory(parent.files, entryPath(parent, name), shown);
  } catch (error) {
    if (!create || errnoOf(error) !== 'ENOENT') throw error;
  }
  await makeDirectory(parent, name);
  return openDirectory(parent.files, entryPath(parent, name), shown);
}

/**
 * Open the LSU's directory.
 * @throws EngineError VOST_NO_SUCH_LSU, VOST_SYMLINK; system errors as they come
 */
async function openLsu(place: LsuPlace): Promise<OpenFile> {
  try {
    return await openDirectory(place.files, place.directory, place.directory);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') throw noSuchLsu(place.lsu, error);
    throw error;
  }
}

/**
 * Open a folder of an LSU; the caller closes it. With `create`, folders that are missing are made;
 * ENOENT can then still come when somebody removes an empty folder at the same moment.
 */
export async function openFolder(place: LsuPlace, folder: readonly string[], create: boolean): Promise<OpenFile> {
  let dir = await openLsu(place);
  let shown = place.directory;
  const { inside = [] } = place;
  for (const [at, name] of [...inside, ...folder].entries()) {
    const parent = dir;
    shown = join(shown, name);
    try {
      dir = await enter(parent, name, shown, create && at >= inside.length);
    } finally {
      await parent.close();
    }
  }
  return dir;
}

/** As {@link openFolder}, but undefined when the folder (or a file in its place) is not there. */
export async function findFolder(place: LsuPlace, folder: readonly string[]): Promise<OpenFile | undefined> {
  try {
    return await openFolder(place, folder, false);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw error;
  }
}
