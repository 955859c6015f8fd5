import type { ObjectStore } from '../vast/store.ts';
import { refuseLocked } from './image-lock.ts';
import { imagePrefix, isPendingName, MANIFEST } from './names.ts';

/**
 * Delete an image, complete or pending. The manifest goes first, so that a half-deleted image is never
 * readable; the pending record goes last, because it names what else there may be. Beside a manifest it is a leftover of the
 * writer, and goes before: what was complete must not look unfinished when a deletion is cut short. Idempotent. Resolves to
 * whether there was anything. Throws `access` (VOST_WORM_LOCKED), with nothing deleted, when any of its objects is locked.
 *
 * @param onHidden called when a complete image is there for no reader any more.
 */
export async function deleteImage(
  store: ObjectStore,
  imageId: string,
  signal?: AbortSignal,
  onHidden?: () => void,
): Promise<boolean> {
  const prefix = imagePrefix(imageId);
  const manifest = `${prefix}${MANIFEST}`;
  const isRecord = (key: string): boolean => isPendingName(key.slice(prefix.length));
  let found = false;
  const drop = async (keys: readonly string[]): Promise<void> => {
    if (keys.length === 0) return;
    found = true;
    await store.delete(keys, { signal });
  };
  const dropUploads = async (under: string): Promise<void> => {
    for await (const { key, id } of store.listUploads(under, { signal })) {
      found = true;
      await store.resumeUpload(key, id).abort({ signal });
    }
  };
  /** A writer that had looked at the record before it went may have published the image after its other objects did. */
  const dropLate = async (): Promise<void> => {
    await dropUploads(manifest);
    if (await store.head(manifest, { signal })) await drop(await imageKeys(store, imageId, signal));
  };
  const keys = await imageKeys(store, imageId, signal);
  await refuseLocked(store, imageId, keys, signal);
  const complete = keys.includes(manifest);
  if (complete) await drop(keys.filter(isRecord));
  await drop(keys.filter((key) => key === manifest));
  if (complete) onHidden?.();
  await dropUploads(prefix);
  await drop(keys.filter((key) => !isRecord(key) && key !== manifest));
  if (!complete) {
    await drop(keys.filter(isRecord));
    await dropLate();
  }
  await purgeHidden(store, prefix, signal);
  return found;
}

/** All that lies in an image's folder. */
async function imageKeys(store: ObjectStore, imageId: string, signal?: AbortSignal): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: imagePrefix(imageId), signal })) keys.push(key);
  return keys;
}

/** Versions that a deletion left behind which was cut short. */
async function purgeHidden(store: ObjectStore, prefix: string, signal: AbortSignal | undefined): Promise<void> {
  const keys = new Set<string>();
  for await (const { key } of store.history?.hidden(prefix, { signal }) ?? []) keys.add(key);
  await store.history?.purge([...keys], { signal });
}
