import type { ObjectStore } from '../vast/store.ts';
import { imagePrefix, MANIFEST, PENDING } from './names.ts';

/**
 * Delete an image, complete or pending. The manifest goes first, so that a half-deleted image is never
 * readable; the pending record goes last, because it names what else there may be. Idempotent. Resolves to
 * whether there was anything.
 */
export async function deleteImage(store: ObjectStore, imageId: string, signal?: AbortSignal): Promise<boolean> {
  const prefix = imagePrefix(imageId);
  let found = false;
  const drop = async (keys: readonly string[]): Promise<void> => {
    if (keys.length === 0) return;
    found = true;
    await store.delete(keys, { signal });
  };
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix, signal })) keys.push(key);
  await drop(keys.filter((key) => key === `${prefix}${MANIFEST}`));
  for await (const { key, id } of store.listUploads(prefix, { signal })) {
    found = true;
    await store.resumeUpload(key, id).abort({ signal });
  }
  const last = `${prefix}${PENDING}`;
  await drop(keys.filter((key) => key !== last && key !== `${prefix}${MANIFEST}`));
  await drop(keys.filter((key) => key === last));
  return found;
}
