import type { ObjectInfo, ObjectStore } from '../vast/store.ts';
import { IMAGES_PREFIX, isPendingName, MANIFEST, PENDING, parseKey } from './names.ts';

/** All objects of one image folder. */
export interface ImageFolder {
  readonly imageId: string;
  /** By object name. */
  readonly objects: ReadonlyMap<string, ObjectInfo>;
  /** The image exists: it has a manifest. */
  readonly complete: boolean;
  /** It has a pending record and no manifest. */
  readonly pending: boolean;
  /** Name of the pending record that counts. */
  readonly record: string;
}

/** Sorts behind every object name: the key grammar ends at `z`. */
const BEHIND_ALL = '~';

/**
 * Every image folder of an LSU, or those whose id begins with `idPrefix`, in the order of their ids. Foreign keys are passed over.
 *
 * @param after only images whose id is greater; '' for all.
 */
export async function* scanFolders(
  store: ObjectStore,
  idPrefix = '',
  signal?: AbortSignal,
  after = '',
): AsyncGenerator<ImageFolder> {
  const startAfter = after === '' ? '' : `${IMAGES_PREFIX}${after}/${BEHIND_ALL}`;
  let imageId: string | undefined;
  let objects = new Map<string, ObjectInfo>();
  for await (const info of store.list({ prefix: `${IMAGES_PREFIX}${idPrefix}`, startAfter, signal })) {
    const key = parseKey(info.key);
    if (key === undefined) continue;
    if (key.imageId !== imageId) {
      if (imageId !== undefined) yield folder(imageId, objects);
      imageId = key.imageId;
      objects = new Map();
    }
    objects.set(key.name, info);
  }
  if (imageId !== undefined) yield folder(imageId, objects);
}

function folder(imageId: string, objects: Map<string, ObjectInfo>): ImageFolder {
  const complete = objects.has(MANIFEST);
  // In the order of their names, so the last one counts.
  const record = [...objects.keys()].findLast(isPendingName);
  return { imageId, objects, complete, pending: !complete && record !== undefined, record: record ?? PENDING };
}
