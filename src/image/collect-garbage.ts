import { EngineError } from '../errors.ts';
import type { HiddenVersion, ObjectInfo, ObjectStore } from '../vast/store.ts';
import { deleteImage } from './delete-image.ts';
import { lacksLock, lockedUntil } from './image-lock.ts';
import { WRITERS_PREFIX } from './living-writers.ts';
import { decodeManifest, MAX_MANIFEST_BYTES, type Manifest } from './manifest.ts';
import { IMAGES_PREFIX, imagePrefix, MANIFEST, parseKey } from './names.ts';
import { neededObjects } from './needed-objects.ts';
import { readRecord } from './read-record.ts';
import { type ImageFolder, scanFolders } from './scan.ts';
import { UnfinishedImages } from './unfinished-images.ts';

const LEASE_MS = 900_000;
/** What an engine that has ended for good said about its writers goes after this time, milliseconds: longer than any lease. */
const SILENT_MS = 2 * 86_400_000;

export interface GarbageOptions {
  /** Only what is older than this is garbage: a younger orphan may be a backup that is just beginning or ending. Milliseconds. */
  readonly olderThanMs: number;
  /** Also drop pending images whose newest object is older than this. Absent: pending images are only reported. Milliseconds. */
  readonly pendingOlderThanMs?: number | undefined;
  /** Without an engine's word an image that it had open is its writer's for so long after its record was written. Default: 15 minutes. Milliseconds. */
  readonly leaseMs?: number;
  /** Report only. */
  readonly dryRun: boolean;
  /** Milliseconds since the epoch by the store's clock. Default: now. */
  readonly now?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link collectGarbage} found. */
export interface Garbage {
  readonly kind:
    | 'orphan-upload'
    | 'orphan-object'
    | 'leftover'
    | 'pending-image'
    /** Old versions behind a key, or the mark of its deletion; those that are not removed are locked. */
    | 'hidden-version'
    /** A file that a writer which died was about to turn into an object. */
    | 'temporary-file'
    /** Complete, but without the lock that it should have: `vast-ost lock` locks it. Never removed. */
    | 'unlocked-image';
  /** Key, or path of a temporary file. */
  readonly key: string;
  /** Upload id, for uploads. */
  readonly upload?: string;
  readonly bytes: number;
  readonly ageMs: number;
  readonly removed: boolean;
}

/**
 * Find, and unless `dryRun` remove, what no image needs: uploads that no pending record names, objects of folders that
 * have neither manifest nor pending record, objects beside a manifest that the manifest does not name, versions behind keys, and temporary files.
 * Complete images are never touched (those without their lock are named), nor are keys that are not of our grammar, nor anything of an unfinished
 * image whose writer lives as far as anybody knows, however long that one stood still. Ages are by the store's clock.
 */
export async function* collectGarbage(store: ObjectStore, options: GarbageOptions): AsyncGenerator<Garbage> {
  const { signal, dryRun } = options;
  const now = options.now ?? (await store.now({ signal }));
  const unfinished = new UnfinishedImages(store, options.leaseMs ?? LEASE_MS, signal);

  for await (const folder of scanFolders(store, '', signal)) {
    if (folder.pending) {
      yield* stalePending(folder);
    } else {
      const manifest = folder.complete ? await manifestOf(store, folder, signal) : undefined;
      if (manifest) yield* unlocked(folder, manifest);
      for (const { kind, info } of surplus(folder, manifest)) {
        const ageMs = now - info.modified;
        if (ageMs < options.olderThanMs) continue;
        // The listing may be old by now, and a backup may have begun since.
        if (kind === 'orphan-object' && (await unfinished.isClaimed(folder.imageId))) break;
        if (!dryRun) await store.delete([info.key], { signal });
        yield { kind, key: info.key, bytes: info.size, ageMs, removed: !dryRun };
      }
    }
  }
  yield* hiddenVersions();
  yield* temporaryFiles();
  yield* silentEngines();
  for await (const { key, id, initiated } of store.listUploads(IMAGES_PREFIX, { signal })) {
    const imageId = parseKey(key)?.imageId;
    const ageMs = now - initiated;
    if (imageId === undefined || ageMs < options.olderThanMs || (await unfinished.needs(imageId, id))) continue;
    const upload = store.resumeUpload(key, id);
    const bytes = (await upload.listParts({ signal }).catch(() => [])).reduce((sum, { size }) => sum + size, 0);
    if (!dryRun) await upload.abort({ signal });
    yield { kind: 'orphan-upload', key, upload: id, bytes, ageMs, removed: !dryRun };
  }

  async function* stalePending(folder: ImageFolder): AsyncGenerator<Garbage> {
    const infos = [...folder.objects.values()];
    const ageMs = now - Math.max(...infos.map(({ modified }) => modified));
    if (ageMs < options.olderThanMs || (await unfinished.isAlive(folder.imageId))) return;
    const removed = !dryRun && options.pendingOlderThanMs !== undefined && ageMs >= options.pendingOlderThanMs;
    const gone =
      removed && (await unfinished.isAsListed(folder)) && (await deleteUnlessLocked(store, folder.imageId, signal));
    const bytes = infos.reduce((sum, { size }) => sum + size, 0);
    yield { kind: 'pending-image', key: imagePrefix(folder.imageId), bytes, ageMs, removed: gone };
  }

  async function* unlocked(folder: ImageFolder, manifest: Manifest): AsyncGenerator<Garbage> {
    const ageMs = now - (folder.objects.get(MANIFEST)?.modified ?? now);
    if (ageMs < options.olderThanMs || !lacksLock(manifest, await lockedUntil(store, folder.imageId, signal))) return;
    yield { kind: 'unlocked-image', key: imagePrefix(folder.imageId), bytes: manifest.size, ageMs, removed: false };
  }

  async function* temporaryFiles(): AsyncGenerator<Garbage> {
    for await (const { name, size, modified } of store.leftovers?.list({ signal }) ?? []) {
      const ageMs = now - modified;
      if (ageMs < options.olderThanMs) continue;
      const imageId = imageIdOfFile(name);
      if (imageId !== undefined && (await unfinished.isAlive(imageId))) continue;
      if (!dryRun) await store.leftovers?.remove(name, { signal });
      yield { kind: 'temporary-file', key: name, bytes: size, ageMs, removed: !dryRun };
    }
  }

  async function* silentEngines(): AsyncGenerator<Garbage> {
    for await (const { key, size, modified } of store.list({ prefix: WRITERS_PREFIX, signal })) {
      const ageMs = now - modified;
      if (ageMs < Math.max(options.olderThanMs, SILENT_MS)) continue;
      if (!dryRun) await store.delete([key], { signal });
      yield { kind: 'leftover', key, bytes: size, ageMs, removed: !dryRun };
    }
  }

  async function* hiddenVersions(): AsyncGenerator<Garbage> {
    let versions: HiddenVersion[] = [];
    for await (const version of store.history?.hidden(IMAGES_PREFIX, { signal }) ?? []) {
      if (parseKey(version.key) === undefined) continue;
      if (versions[0] !== undefined && versions[0].key !== version.key) {
        yield* behindKey(versions);
        versions = [];
      }
      versions.push(version);
    }
    yield* behindKey(versions);
  }

  async function* behindKey(versions: readonly HiddenVersion[]): AsyncGenerator<Garbage> {
    const [first] = versions;
    if (first === undefined) return;
    const { key } = first;
    const ageMs = now - Math.max(...versions.map(({ modified }) => modified));
    if (ageMs < options.olderThanMs) return;
    const kept = dryRun ? versions : ((await store.history?.purge([key], { signal })) ?? []);
    const removed = kept.length === 0;
    const bytes = (removed ? versions : kept).reduce((sum, { size }) => sum + size, 0);
    yield { kind: 'hidden-version', key, bytes, ageMs, removed };
  }

  function surplus(
    folder: ImageFolder,
    manifest: Manifest | undefined,
  ): { kind: 'orphan-object' | 'leftover'; info: ObjectInfo }[] {
    if (!folder.complete) {
      // A backup may be writing here: as long as anything is young, everything is.
      const newest = Math.max(...[...folder.objects.values()].map(({ modified }) => modified));
      if (now - newest < options.olderThanMs) return [];
      return [...folder.objects.values()].map((info) => ({ kind: 'orphan-object', info }));
    }
    if (manifest === undefined) return [];
    const needed = neededObjects(manifest);
    return [...folder.objects].flatMap(([name, info]) => (needed.has(name) ? [] : [{ kind: 'leftover', info }]));
  }
}

/** Whether the image is gone; false when the store keeps it locked. */
async function deleteUnlessLocked(
  store: ObjectStore,
  imageId: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await deleteImage(store, imageId, signal);
    return true;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'VOST_WORM_LOCKED') return false;
    throw error;
  }
}

/** Undefined when the manifest cannot be read: then nothing beside it is called garbage. */
async function manifestOf(
  store: ObjectStore,
  folder: ImageFolder,
  signal: AbortSignal | undefined,
): Promise<Manifest | undefined> {
  const key = `${imagePrefix(folder.imageId)}${MANIFEST}`;
  try {
    return await readRecord(store, key, MAX_MANIFEST_BYTES, decodeManifest, signal);
  } catch {
    return undefined;
  }
}

/** The image in whose folder a temporary file lies. */
function imageIdOfFile(name: string): string | undefined {
  const end = name.lastIndexOf('/');
  return parseKey(`${name.slice(0, end + 1)}${MANIFEST}`)?.imageId;
}
