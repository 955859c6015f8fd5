import { readdirSync } from 'node:fs';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { decodeManifest, MAX_MANIFEST_BYTES } from '../../src/image/manifest.ts';
import { IMAGES_PREFIX, imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { neededObjects } from '../../src/image/needed-objects.ts';
import { decodePending, MAX_PENDING_BYTES } from '../../src/image/pending.ts';
import { readRecord } from '../../src/image/read-record.ts';
import { scanFolders } from '../../src/image/scan.ts';
import type { ObjectStore } from '../../src/vast/store.ts';

/**
 * What lies in an LSU, counted raw, that no complete image consists of and that gc does not name: it must be nothing, whatever
 * happened. gc is only asked, not let loose.
 *
 * @param folder of an LSU that is a directory: then every file of it counts, whatever the store says of it.
 */
export async function orphans(store: ObjectStore, folder?: string): Promise<string[]> {
  const { keys, uploads } = await accounted(store);
  const left: string[] = [];
  for await (const { key } of store.list({ prefix: IMAGES_PREFIX })) if (!keys(key)) left.push(key);
  for await (const { key, id } of store.listUploads(IMAGES_PREFIX)) if (!uploads.has(id)) left.push(`${key}?${id}`);
  const files = folder === undefined ? [] : readdirSync(folder, { recursive: true, withFileTypes: true });
  for (const file of files) {
    const path = `${file.parentPath}/${file.name}`.slice((folder?.length ?? 0) + 1);
    if (!file.isDirectory() && !keys(path) && ![...uploads].some((id) => file.name.includes(id))) left.push(path);
  }
  return [...new Set(left)];
}

async function accounted(store: ObjectStore): Promise<{ keys: (key: string) => boolean; uploads: Set<string> }> {
  const named = new Set<string>();
  const unfinished: string[] = [];
  const uploads = new Set<string>();
  for await (const { imageId, complete, pending, record: name } of scanFolders(store)) {
    const prefix = imagePrefix(imageId);
    if (complete) {
      const manifest = await readRecord(store, `${prefix}${MANIFEST}`, MAX_MANIFEST_BYTES, decodeManifest);
      for (const name of neededObjects(manifest)) named.add(`${prefix}${name}`);
    } else if (pending) {
      // Of a writer that lives gc says nothing.
      unfinished.push(prefix);
      const record = await readRecord(store, `${prefix}${name}`, MAX_PENDING_BYTES, decodePending);
      if (record.fence !== undefined) uploads.add(record.fence);
      for (const { id } of record.uploads) uploads.add(id);
    }
  }
  for await (const { kind, key, upload } of collectGarbage(store, {
    olderThanMs: 0,
    dryRun: true,
    now: Date.now() + 1000,
  })) {
    if (upload !== undefined) uploads.add(upload);
    else if (kind === 'pending-image') unfinished.push(key);
    else named.add(key);
  }
  return { keys: (key) => named.has(key) || unfinished.some((prefix) => key.startsWith(prefix)), uploads };
}
