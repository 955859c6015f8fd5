import { EngineError, failureOf } from '../errors.ts';
import type { ObjectInfo, ObjectStore } from '../vast/store.ts';
import { inTerm, isPendingName, MANIFEST, PENDING } from './names.ts';
import { decodePending, MAX_PENDING_BYTES, type Pending } from './pending.ts';
import { readRecord } from './read-record.ts';

/** Key of the pending record of a term; of an image's first writers without one. */
export function pendingKey(prefix: string, term: string | undefined): string {
  return `${prefix}${inTerm(PENDING, term)}`;
}

/** Behind every fragment, before manifest and records; and behind those. */
const BEFORE_MANIFEST = 'image.';
const BEHIND_RECORDS = `${PENDING}0`;

/** What shows whose an image is. */
export interface ImageLook {
  /** It is complete. */
  readonly complete: boolean;
  /** Its pending records, the one that counts last. */
  readonly records: readonly ObjectInfo[];
}

/** Look at an image with one listing, which tells of manifest and records at one moment. */
export async function lookAt(store: ObjectStore, prefix: string, signal?: AbortSignal): Promise<ImageLook> {
  const records: ObjectInfo[] = [];
  let complete = false;
  for await (const info of store.list({ prefix, startAfter: `${prefix}${BEFORE_MANIFEST}`, signal })) {
    const name = info.key.slice(prefix.length);
    if (name >= BEHIND_RECORDS) break;
    if (name === MANIFEST) complete = true;
    else if (isPendingName(name)) records.push(info);
  }
  return { complete, records };
}

/** All pending records of an image, the one that counts last: terms follow one another in the order of their names. */
export async function pendingRecords(store: ObjectStore, prefix: string, signal?: AbortSignal): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of store.list({ prefix: `${prefix}${PENDING}`, signal }))
    if (isPendingName(info.key.slice(prefix.length))) found.push(info);
  return found;
}

/** The pending record that counts; undefined when there is none. */
export async function latestPending(
  store: ObjectStore,
  prefix: string,
  signal?: AbortSignal,
): Promise<ObjectInfo | undefined> {
  return (await pendingRecords(store, prefix, signal)).at(-1);
}

/** Read an image's pending record, the one that counts. Throws `not-found`, `integrity`, `unsupported`. */
export async function readPending(store: ObjectStore, prefix: string, signal?: AbortSignal): Promise<Pending> {
  const info = await latestPending(store, prefix, signal);
  if (info !== undefined) return readPendingAt(store, info.key, signal, info);
  throw new EngineError('VOST_NOT_FOUND', 'not-found', `${store.lsu}/${prefix}${PENDING} does not exist`);
}

/** Read one of them. */
export async function readPendingAt(
  store: ObjectStore,
  key: string,
  signal?: AbortSignal,
  known?: ObjectInfo,
): Promise<Pending> {
  return readRecord(store, key, MAX_PENDING_BYTES, decodePending, signal, known);
}

/** Read one of them. Undefined when the record cannot be made sense of, or is gone already: then it is another's. */
export async function recordAt(
  store: ObjectStore,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Pending | undefined> {
  try {
    return await readPendingAt(store, key, signal);
  } catch (error) {
    if (['not-found', 'integrity', 'unsupported'].includes(failureOf(error))) return undefined;
    throw error;
  }
}
