import { LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';
import { VERSION } from '../version.ts';
import { Claim } from './claim.ts';
import { copyObject } from './copy-object.ts';
import { checkIdentity, type ImageIdentity, imageIdOf } from './identity.ts';
import { applyLock, type LockPolicy, planLock } from './image-lock.ts';
import { ImageReader } from './image-reader.ts';
import { encodeManifest, type Manifest } from './manifest.ts';
import { imagePrefix } from './names.ts';
import { indexName } from './needed-objects.ts';
import { creationDate } from './publish.ts';

export interface CopyOptions {
  /** Both LSUs belong to one storage, so that it can be asked to copy by itself. Default false: the bytes pass through this process. */
  readonly sameStorage?: boolean;
  /** Who copies, at most 256 characters, recorded with the copy: the same one may begin the copy again when it was cut short. */
  readonly creator?: string;
  /** Lock the copy when it is complete. */
  readonly lock?: LockPolicy | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the stored bytes copied so far and all there are. */
  readonly onProgress?: (copied: number, total: number) => void;
}

/**
 * Copy a complete image under another identity or into another LSU. Fragments, index and blobs are copied as they are, so the copy is not
 * verified more than each read of it will be; the manifest comes last: the copy is whole or does not exist. When this throws,
 * what had been copied is deleted again, as far as the store lets us.
 *
 * Throws `not-found` (no such source), `exists` (the target is there, complete or unfinished), `capacity` (an object is larger than the target's store
 * allows), `aborted`.
 */
export async function copyImage(
  from: { readonly store: ObjectStore; readonly imageId: string },
  to: { readonly store: ObjectStore; readonly identity: ImageIdentity },
  resources: Resources,
  options: CopyOptions = {},
): Promise<Manifest> {
  const { creator, signal, onProgress } = options;
  const identity = checkIdentity(to.identity);
  // Opened by a reader: what we could not restore, we do not copy either.
  const { manifest } = await ImageReader.open(from.store, resources, from.imageId, signal);
  const [source, target] = [imagePrefix(from.imageId), imagePrefix(imageIdOf(identity))];
  const { netbackup_metadata, chain, chunk_size, leaf_size } = manifest;
  const about = { identity, netbackup_metadata, chain, chunk_size, leaf_size };
  const kept = creator === undefined ? undefined : { creator, open: true, size: 0, journal: 0, metas: [] };
  if (options.lock) await planLock(to.store, options.lock, signal);
  const claim = await (kept
    ? Claim.begin(to.store, target, about, kept, signal)
    : Claim.take(to.store, target, about, signal));
  const objects = [
    ...manifest.fragments,
    { name: indexName(manifest), size: manifest.index.size },
    ...(manifest.metas ?? []),
  ];
  const total = objects.reduce((sum, { size }) => sum + size, 0);
  const scope = new LeaseScope();
  let copied = 0;
  let publishing = false;
  try {
    // So that what lies there meanwhile is known to belong to somebody.
    if (!claim.written) await claim.update(() => ({}), signal);
    onProgress?.(0, total);
    for (const [nth, { name, size }] of objects.entries()) {
      const onUpload = (id: string): Promise<void> => claim.addUpload(nth + 1, id);
      await copyObject(
        { store: from.store, key: `${source}${name}` },
        { store: to.store, key: `${target}${name}` },
        { size, resources, scope, sameStorage: options.sameStorage === true, onUpload, signal },
        (bytes) => onProgress?.(copied + bytes, total),
      );
      copied += size;
      onProgress?.(copied, total);
    }
    await claim.confirm(signal);
    const { creator: _, lock: __, ...rest } = manifest;
    const lock = options.lock && (await planLock(to.store, options.lock, signal));
    const now = new Date().toISOString();
    const result: Manifest = {
      ...rest,
      image_name: identity.basename,
      creation_date: creationDate(identity.date) ?? now,
      identity,
      committed: now,
      written_by: `vast-ost/${VERSION}`,
      ...(creator === undefined ? {} : { creator }),
      ...(lock ? { lock } : {}),
    };
    const bytes = encodeManifest(result);
    publishing = true;
    await claim.publish(bytes);
    if (lock) await applyLock(to.store, imageIdOf(identity), result, lock, signal);
    // Harmless beside a manifest: gc knows it.
    await claim.forget().catch(() => undefined);
    return result;
  } catch (error) {
    // After the manifest was sent the copy may be visible, and another writer's objects are not ours.
    if (!publishing && !claim.lost) await drop(to.store, target, objects, claim).catch(() => undefined);
    throw error;
  } finally {
    scope.releaseAll();
  }
}

/** The pending record goes last: it names what might still be there. */
async function drop(
  store: ObjectStore,
  prefix: string,
  objects: readonly { readonly name: string }[],
  claim: Claim,
): Promise<void> {
  await store.delete(objects.map(({ name }) => `${prefix}${name}`));
  await claim.drop();
}
