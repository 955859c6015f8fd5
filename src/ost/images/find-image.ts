import { EngineError } from '../../errors.ts';
import { type ImageIdentity, imageIdOf } from '../../image/identity.ts';
import { decodeManifest, MAX_MANIFEST_BYTES, type Manifest } from '../../image/manifest.ts';
import { imagePrefix, MANIFEST } from '../../image/names.ts';
import type { Pending } from '../../image/pending.ts';
import { readPending } from '../../image/pending-records.ts';
import { readRecord } from '../../image/read-record.ts';
import type { ObjectStore } from '../../vast/store.ts';

/** The manifest of a complete image; undefined when there is none. Two requests. */
export async function findManifest(
  store: ObjectStore,
  identity: ImageIdentity,
  signal?: AbortSignal,
): Promise<Manifest | undefined> {
  const key = `${imagePrefix(imageIdOf(identity))}${MANIFEST}`;
  return unlessMissing(readRecord(store, key, MAX_MANIFEST_BYTES, decodeManifest, signal));
}

/** The record of an image that is not complete; undefined when there is none. */
export async function findPending(
  store: ObjectStore,
  identity: ImageIdentity,
  signal?: AbortSignal,
): Promise<Pending | undefined> {
  return unlessMissing(readPending(store, imagePrefix(imageIdOf(identity)), signal));
}

/** A missing key is an answer; a missing LSU is an error. */
async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const missing = error instanceof EngineError && error.failure === 'not-found' && error.code !== 'VOST_NO_SUCH_LSU';
    if (missing) return undefined;
    throw error;
  }
}
