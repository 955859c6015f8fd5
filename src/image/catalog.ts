import { EngineError } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { idPrefixOf, isImageId } from './identity.ts';
import { lockedUntil } from './image-lock.ts';
import { decodeManifest, MAX_MANIFEST_BYTES, type Manifest } from './manifest.ts';
import { imagePrefix, MANIFEST } from './names.ts';
import { decodePending, MAX_PENDING_BYTES, type Pending } from './pending.ts';
import { readRecord } from './read-record.ts';
import { type ImageFolder, scanFolders } from './scan.ts';

/** Records read at the same time while listing. */
const CONCURRENCY = 8;

/** One line of a listing. */
export type CatalogEntry =
  | {
      readonly state: 'complete';
      readonly imageId: string;
      readonly storedBytes: number;
      readonly manifest: Manifest /** Milliseconds since the epoch, `Infinity` under a legal hold, 0 for not at all. */;
      readonly lockedUntil: number;
    }
  | { readonly state: 'pending'; readonly imageId: string; readonly storedBytes: number; readonly pending: Pending }
  | { readonly state: 'damaged'; readonly imageId: string; readonly storedBytes: number; readonly error: EngineError };

/**
 * The images of an LSU, complete ones and pending ones, in the order of their ids. A record that cannot be
 * read shows as damaged instead of hiding the others.
 */
export async function* listImages(
  store: ObjectStore,
  idPrefix = '',
  signal?: AbortSignal,
): AsyncGenerator<CatalogEntry> {
  const ahead: Promise<CatalogEntry | undefined>[] = [];
  try {
    for await (const folder of scanFolders(store, idPrefix, signal)) {
      if (!folder.complete && !folder.pending) continue;
      ahead.push(beginEntry(store, folder, signal));
      if (ahead.length < CONCURRENCY) continue;
      const entry = await ahead.shift();
      if (entry) yield entry;
    }
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) {
      const entry = await next;
      if (entry) yield entry;
    }
  } finally {
    await Promise.allSettled(ahead);
  }
}

/** Begin to read the entry of a folder, which may be waited for later: it may fail before anybody does. */
export function beginEntry(
  store: ObjectStore,
  folder: ImageFolder,
  signal?: AbortSignal,
): Promise<CatalogEntry | undefined> {
  const entry = readEntry(store, folder, signal);
  entry.catch(() => undefined);
  return entry;
}

/** The entry of a folder; undefined when it went away meanwhile. */
async function readEntry(
  store: ObjectStore,
  folder: ImageFolder,
  signal?: AbortSignal,
): Promise<CatalogEntry | undefined> {
  const { imageId } = folder;
  const storedBytes = [...folder.objects.values()].reduce((sum, { size }) => sum + size, 0);
  const name = folder.complete ? MANIFEST : folder.record;
  const key = `${imagePrefix(imageId)}${name}`;
  const known = folder.objects.get(name);
  try {
    if (folder.complete) {
      const manifest = await readRecord(store, key, MAX_MANIFEST_BYTES, decodeManifest, signal, known);
      const locked = await lockedUntil(store, imageId, signal);
      return { state: 'complete', imageId, storedBytes, manifest, lockedUntil: locked };
    }
    const pending = await readRecord(store, key, MAX_PENDING_BYTES, decodePending, signal, known);
    return { state: 'pending', imageId, storedBytes, pending };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    // Deleted or committed while we listed: the next listing tells.
    if (error.failure === 'not-found') return undefined;
    if (error.failure === 'integrity' || error.failure === 'unsupported')
      return { state: 'damaged', imageId, storedBytes, error };
    throw error;
  }
}

/**
 * The image that a person means: `NAME`, `NAME:DATE` or an image id. Throws `not-found`, or `usage` when several images
 * have the name.
 */
export async function findImage(store: ObjectStore, selector: string, signal?: AbortSignal): Promise<CatalogEntry> {
  if (isImageId(selector)) {
    for await (const entry of listImages(store, selector, signal)) if (entry.imageId === selector) return entry;
  }
  const found: CatalogEntry[] = [];
  for (const { basename, date } of readings(selector)) {
    for await (const entry of listImages(store, idPrefixOf(basename), signal)) {
      const identity = identityOf(entry);
      if (identity?.basename === basename && (date === undefined || identity.date === date)) found.push(entry);
    }
  }
  const [first, ...others] = found;
  if (first === undefined) {
    throw new EngineError('VOST_NOT_FOUND', 'not-found', `there is no image ${selector} in ${store.lsu}`, {
      advice: `vast-ost list ${store.lsu} shows what there is`,
    });
  }
  if (others.length === 0) return first;
  const names = found.map((entry) => `${identityOf(entry)?.basename}:${identityOf(entry)?.date}`);
  throw new EngineError(
    'VOST_AMBIGUOUS',
    'usage',
    `${found.length} images in ${store.lsu} are named ${selector}: ${names.join(', ')}`,
    {
      advice: 'name one as NAME:DATE or by its image id',
    },
  );
}

function identityOf(entry: CatalogEntry) {
  if (entry.state === 'complete') return entry.manifest.identity;
  return entry.state === 'pending' ? entry.pending.identity : undefined;
}

/** A selector is a name, or a name and a date; names may hold colons themselves. */
function* readings(selector: string): Generator<{ basename: string; date: string | undefined }> {
  yield { basename: selector, date: undefined };
  const colon = selector.lastIndexOf(':');
  if (colon > 0) yield { basename: selector.slice(0, colon), date: selector.slice(colon + 1) };
}
