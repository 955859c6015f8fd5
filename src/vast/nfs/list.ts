/**
 * Listing a directory tree in key order with bounded memory and without holding descriptors between
 * two keys. A folder `a` sorts as `a/`, so that `a-b` comes before `a/x`, as in S3.
 */
import type { BigIntStats } from 'node:fs';
import { checkSignal } from '../body.ts';
import { isKey, isReserved } from '../names.ts';
import type { Retrier } from '../retry.ts';
import type { ObjectInfo, UploadInfo } from '../store.ts';
import { fileError, orMissing } from './classify.ts';
import type { OpenFile } from './files.ts';
import { idOfSidecar, readHeader, sidecarName } from './sidecar.ts';
import { infoOf } from './temporary.ts';
import { entryPath, findFolder, type LsuPlace } from './walk.ts';

/** Names kept of one directory at a time; a larger directory is read in several passes. */
const WINDOW = 65_536;
/** Files looked at (lstat) at the same time. */
const BATCH = 32;

/** A name as it sorts: folders end in '/'. */
export type Entry = string;

interface Window {
  readonly entries: Entry[];
  /** True when the directory has names behind the last entry. */
  readonly more: boolean;
}

export interface Kind {
  readonly name: string;
  isFile(): boolean;
  isDirectory(): boolean;
}

/** Files of a folder by name, as they were when it was read. */
type Seen = Map<Entry, BigIntStats>;

/** Read the `size` smallest entries greater than `after`. */
async function readWindow(
  place: LsuPlace,
  folder: readonly string[],
  after: Entry,
  entryOf: (kind: Kind) => Entry | undefined,
  size: number,
  seen?: Seen,
): Promise<Window> {
  const found = await findFolder(place, folder);
  if (found === undefined) return { entries: [], more: false };
  await using dir = found;
  let entries: Entry[] = [];
  let more = false;
  for await (const kind of dir.files.entries(entryPath(dir, '.'), 1024)) {
    const entry = entryOf(kind);
    if (entry === undefined || entry <= after) continue;
    entries.push(entry);
    if (entries.length < 2 * size) continue;
    entries = entries.sort().slice(0, size);
    more = true;
  }
  entries.sort();
  if (seen !== undefined && !more && entries.length <= BATCH) await look(dir, entries.filter(isFile), seen);
  return entries.length > size ? { entries: entries.slice(0, size), more: true } : { entries, more };
}

const isFile = (entry: Entry): boolean => !entry.endsWith('/');

async function look(dir: OpenFile, names: readonly string[], seen: Seen): Promise<void> {
  const stats = await statIn(dir, names);
  for (const [at, name] of names.entries()) {
    const stat = stats[at];
    if (stat !== undefined) seen.set(name, stat);
  }
}

/** Try again what may work a second time. */
export async function persist<T>({ retrier, signal }: WalkOptions, work: () => Promise<T>): Promise<T> {
  return retrier.run({ operation: 'list', signal }, async () => {
    try {
      return await work();
    } catch (error) {
      throw fileError(error, 'list');
    }
  });
}

/**
 * The entries of a folder that `entryOf` wants, ascending, in small batches.
 * @param seen gets the files of a folder that is one batch, while it is open: opening it costs more than looking at an image's objects.
 */
export async function* readEntries(
  place: LsuPlace,
  folder: readonly string[],
  entryOf: (kind: Kind) => Entry | undefined,
  options: WalkOptions,
  seen?: Seen,
): AsyncGenerator<Entry[], undefined> {
  const { window = WINDOW, signal } = options;
  for (let after = ''; ; ) {
    checkSignal(signal);
    // A directory that vanished is empty; a handle gone stale is looked up again from the top.
    const { entries, more } = await persist(options, () => readWindow(place, folder, after, entryOf, window, seen));
    for (let at = 0; at < entries.length; at += BATCH) yield entries.slice(at, at + BATCH);
    const last = entries.at(-1);
    if (!more || last === undefined) return;
    after = last;
  }
}

export interface WalkOptions {
  readonly retrier: Retrier;
  readonly signal?: AbortSignal | undefined;
  /** Names kept at a time; smaller in tests. */
  readonly window?: number | undefined;
}

/** Undefined for what is neither, and for reserved names. */
export function objectOrFolder(kind: Kind): Entry | undefined {
  if (isReserved(kind.name)) return undefined;
  if (kind.isDirectory()) return `${kind.name}/`;
  return kind.isFile() ? kind.name : undefined;
}

/** lstat of several files of one folder; undefined for those that are gone. */
export async function statAll(
  place: LsuPlace,
  folder: readonly string[],
  names: readonly string[],
): Promise<(BigIntStats | undefined)[]> {
  const found = names.length === 0 ? undefined : await findFolder(place, folder);
  if (found === undefined) return names.map(() => undefined);
  await using dir = found;
  return await statIn(dir, names);
}

function statIn(dir: OpenFile, names: readonly string[]): Promise<(BigIntStats | undefined)[]> {
  return Promise.all(names.map((name) => orMissing(dir.files.lstat(entryPath(dir, name)))));
}

/** Objects below `prefix`, keys greater than `startAfter`, ascending. */
export async function* listObjects(
  place: LsuPlace,
  prefix: string,
  startAfter: string,
  options: WalkOptions,
): AsyncGenerator<ObjectInfo, undefined> {
  const folder = prefix.split('/').slice(0, -1);
  yield* listFolder(place, folder, prefix, startAfter, options);
}

async function* listFolder(
  place: LsuPlace,
  folder: readonly string[],
  prefix: string,
  startAfter: string,
  options: WalkOptions,
): AsyncGenerator<ObjectInfo, undefined> {
  const base = folder.map((name) => `${name}/`).join('');
  /** A folder whose keys all sort before startAfter is not entered. */
  const wanted = (kind: Kind): Entry | undefined => {
    const entry = objectOrFolder(kind);
    if (entry === undefined) return undefined;
    const path = base + entry;
    const inPrefix = path.startsWith(prefix) || (entry.endsWith('/') && prefix.startsWith(path));
    const later = path > startAfter || (entry.endsWith('/') && startAfter.startsWith(path));
    return inPrefix && later && isKey(entry.endsWith('/') ? path.slice(0, -1) : path) ? entry : undefined;
  };
  const seen: Seen = new Map();
  for await (const batch of readEntries(place, folder, wanted, options, seen)) {
    const files = batch.filter((entry) => isFile(entry) && !seen.has(entry));
    const stats = await persist(options, () => statAll(place, folder, files));
    const infos = new Map(files.map((name, index) => [name, stats[index]]));
    for (const entry of batch) {
      checkSignal(options.signal);
      const stat = seen.get(entry) ?? infos.get(entry);
      if (stat?.isFile()) yield infoOf(base + entry, stat);
      if (entry.endsWith('/')) yield* listFolder(place, [...folder, entry.slice(0, -1)], prefix, startAfter, options);
    }
  }
}

/** True when at least one object lies below the folder. */
async function hasObject(place: LsuPlace, folder: readonly string[], options: WalkOptions): Promise<boolean> {
  const prefix = folder.map((name) => `${name}/`).join('');
  for await (const _ of listObjects(place, prefix, '', options)) return true;
  return false;
}

/** Folders directly below `prefix` that hold an object at any depth, ascending as `name/`. */
export async function* listFolderNames(
  place: LsuPlace,
  prefix: string,
  options: WalkOptions,
): AsyncGenerator<string, undefined> {
  const folder = prefix.split('/').slice(0, -1);
  const folders = (kind: Kind): Entry | undefined => {
    const entry = objectOrFolder(kind);
    return entry?.endsWith('/') && isKey(prefix + entry.slice(0, -1)) ? entry : undefined;
  };
  for await (const batch of readEntries(place, folder, folders, options)) {
    const names = batch.map((entry) => entry.slice(0, -1));
    const full = await Promise.all(names.map((name) => hasObject(place, [...folder, name], options)));
    for (const [index, name] of names.entries()) if (full[index]) yield name;
  }
}

/** Unfinished uploads of keys that begin with `prefix`. */
export async function* listUploads(
  place: LsuPlace,
  prefix: string,
  options: WalkOptions,
): AsyncGenerator<UploadInfo, undefined> {
  const folder = prefix.split('/').slice(0, -1);
  yield* uploadsBelow(place, folder, prefix, options);
}

async function* uploadsBelow(
  place: LsuPlace,
  folder: readonly string[],
  prefix: string,
  options: WalkOptions,
): AsyncGenerator<UploadInfo, undefined> {
  const base = folder.map((name) => `${name}/`).join('');
  const wanted = (kind: Kind): Entry | undefined => {
    if (kind.isFile() && idOfSidecar(kind.name) !== undefined) return kind.name;
    const entry = objectOrFolder(kind);
    if (!entry?.endsWith('/') || !isKey(base + entry.slice(0, -1))) return undefined;
    const path = base + entry;
    return path.startsWith(prefix) || prefix.startsWith(path) ? entry : undefined;
  };
  for await (const batch of readEntries(place, folder, wanted, options)) {
    for (const entry of batch) {
      checkSignal(options.signal);
      const id = idOfSidecar(entry);
      const upload = id === undefined ? undefined : await persist(options, () => readUpload(place, folder, id));
      if (upload?.key.startsWith(prefix)) yield upload;
      if (entry.endsWith('/')) yield* uploadsBelow(place, [...folder, entry.slice(0, -1)], prefix, options);
    }
  }
}

async function readUpload(place: LsuPlace, folder: readonly string[], id: string): Promise<UploadInfo | undefined> {
  const found = await findFolder(place, folder);
  if (found === undefined) return undefined;
  await using dir = found;
  const header = await readHeader(dir, id);
  if (header === undefined) return undefined;
  // By the same clock as everything else; the header says what the writer's showed.
  const stat = await orMissing(dir.files.lstat(entryPath(dir, sidecarName(id))));
  return stat === undefined ? undefined : { key: header.key, id, initiated: Number(stat.mtimeNs / 1_000_000n) };
}
