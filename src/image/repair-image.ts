import { EngineError } from '../errors.ts';
import type { Resources } from '../pipeline/resources.ts';
import { isDamage } from './chunk-source.ts';
import { ImageReader } from './image-reader.ts';
import { encodeManifest, type Manifest, type MetaRecord } from './manifest.ts';
import { readMeta } from './meta-blobs.ts';
import { imagePrefix, isPendingName, MANIFEST } from './names.ts';
import { indexName } from './needed-objects.ts';
import { latestPending } from './pending-records.ts';
import { repairFragment } from './repair-fragment.ts';
import { type Copy, type TrueManifest, trueManifest } from './repair-manifest.ts';
import { verifiedIndex } from './verified-index.ts';

/** What is the matter with one object of an image. */
export interface RepairedObject {
  /** Its name in the image's folder. */
  readonly name: string;
  /** `damaged`: could be healed, but was only to be named. `lost`: the copy does not have it either. */
  readonly state: 'good' | 'healed' | 'damaged' | 'lost';
  /** What was wrong, or for `lost` why it stays so. */
  readonly error?: EngineError;
}

export interface RepairOptions {
  /** Name what is damaged, change nothing. */
  readonly dryRun?: boolean;
  readonly readAhead: number | (() => number);
  readonly signal?: AbortSignal | undefined;
  /** Told of each object, in the order in which they are looked at. */
  readonly onObject?: (object: RepairedObject) => void;
}

/** The logical bytes that a fragment holds. */
interface Extent {
  start: number;
  end: number;
}

/**
 * Heal what is damaged of an image from another copy of it. An object is replaced only when it was found damaged, at once, and only by bytes that
 * were verified on the way; the manifest comes last, and only when everything else is whole. A locked object that is healed is locked again
 * for as long. Resolves to all objects; throws, with nothing changed, `not-found` (no such image), `busy` (it is being written),
 * `usage` (VOST_NOT_A_COPY) and what {@link trueManifest} throws.
 */
export async function repairImage(
  to: Copy,
  from: Copy,
  resources: Resources,
  options: RepairOptions,
): Promise<RepairedObject[]> {
  const { dryRun = false, readAhead, onObject } = options;
  const signal = options.signal ?? new AbortController().signal;
  const { store, imageId } = to;
  const prefix = imagePrefix(imageId);
  await checkPresent(to, signal);
  const before = await store.head(`${prefix}${MANIFEST}`, { signal });
  const truth = await trueManifest(to, from, resources, signal);
  const { manifest } = truth;
  const [target, source] = [of(to, manifest), of(from, manifest)];
  const objects: RepairedObject[] = [];

  const indexed = await repair(indexName(manifest), () => target.checkIndex(signal), healIndex);
  // Healed or not: only a good index tells what the fragments are.
  if (indexed === 'lost') return objects;
  const index = indexed === 'damaged' ? source : target;
  const extents = await extentsOf(index, signal);
  for (const [at, { name, size }] of manifest.fragments.entries()) {
    const extent = extents[at] ?? { start: 0, end: 0 };
    await repair(
      name,
      () => checkFragment(name, size, extent),
      () => healFragment(name, size, extent),
    );
  }
  for (const meta of manifest.metas ?? []) {
    await repair(
      meta.name,
      () => target.checkMeta(meta, signal),
      () => healMeta(meta),
    );
  }
  await repairManifest(truth);
  return objects;

  function of(copy: Copy, manifest: Manifest): ImageReader {
    return ImageReader.of(copy.store, resources, copy.imageId, manifest);
  }

  function told(object: RepairedObject): RepairedObject['state'] {
    objects.push(object);
    onObject?.(object);
    return object.state;
  }

  async function repair(
    name: string,
    check: () => Promise<void>,
    heal: () => Promise<void>,
  ): Promise<RepairedObject['state']> {
    const error = await damageOf(check);
    if (error === undefined) return told({ name, state: 'good' });
    if (dryRun) return told({ name, state: 'damaged', error });
    const lost = await damageOf(async () => {
      await keepingLock(`${prefix}${name}`, heal);
      // Its bytes were verified before they were sent; this tells that they arrived.
      await check();
    });
    return told(lost === undefined ? { name, state: 'healed', error } : { name, state: 'lost', error: lost });
  }

  async function healIndex(): Promise<void> {
    const key = `${prefix}${indexName(manifest)}`;
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield* verifiedIndex(from.store, from.imageId, manifest, signal);
      // The last moment before the store puts the object in its place.
      await confirm();
    };
    await store.putStream(key, bytes(), { signal });
  }

  async function checkFragment(name: string, size: number, { start, end }: Extent): Promise<void> {
    await target.checkFragment({ name, size }, signal);
    await target.readChunks(
      index.requests(start, end, signal),
      start,
      end,
      { readAhead, signal },
      async () => undefined,
    );
  }

  async function healFragment(name: string, size: number, { start, end }: Extent): Promise<void> {
    const chunks = index.requests(start, end, signal);
    const copies = [target, source];
    await repairFragment({ store, key: `${prefix}${name}`, size, chunks, copies, resources, confirm, signal });
  }

  async function healMeta(meta: MetaRecord): Promise<void> {
    const bytes = await readMeta(from.store, imagePrefix(from.imageId), meta.index, meta, signal);
    await confirm();
    await store.put(`${prefix}${meta.name}`, [bytes], { signal });
  }

  async function repairManifest({ error }: TrueManifest): Promise<void> {
    if (error === undefined) {
      told({ name: MANIFEST, state: 'good' });
      return;
    }
    const lost = objects.some(({ state }) => state === 'lost');
    if (dryRun || lost) {
      told({ name: MANIFEST, state: lost ? 'lost' : 'damaged', error });
      return;
    }
    await keepingLock(`${prefix}${MANIFEST}`, async () => {
      await confirm();
      await store.put(`${prefix}${MANIFEST}`, [encodeManifest(manifest)], { signal });
    });
    told({ name: MANIFEST, state: 'healed', error });
  }

  /** Nobody has deleted the image, or written it anew, since we began. */
  async function confirm(): Promise<void> {
    const now = await store.head(`${prefix}${MANIFEST}`, { signal });
    const begun = before === undefined && (await latestPending(store, prefix, signal)) !== undefined;
    if (now?.etag === before?.etag && now?.size === before?.size && !begun) return;
    const message = `the image ${store.lsu}/${imageId} was changed by somebody else while it was repaired`;
    throw new EngineError('VOST_CHANGED', 'busy', message, { advice: 'verify it, and repair it again if need be' });
  }

  /** A new version of a locked object would be without its lock. */
  async function keepingLock(key: string, replace: () => Promise<void>): Promise<void> {
    const until = (await store.retention?.lockedUntil(key, { signal })) ?? 0;
    await replace();
    if (until <= Date.now() || !Number.isFinite(until)) return;
    const mode = manifest.lock?.mode ?? (await store.retention?.status({ signal }))?.byDefault?.mode ?? 'governance';
    await store.retention?.extend([key], until, mode, { signal });
  }
}

/** Resolves to what is damaged; anything else that goes wrong is thrown. */
async function damageOf(work: () => Promise<void>): Promise<EngineError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (isDamage(error)) return error;
    throw error;
  }
}

/** There is something to repair, and nobody is writing it. */
async function checkPresent({ store, imageId }: Copy, signal: AbortSignal): Promise<void> {
  const names = new Set<string>();
  const prefix = imagePrefix(imageId);
  for await (const { key } of store.list({ prefix, signal })) names.add(key.slice(prefix.length));
  if (names.size === 0) {
    const message = `there is nothing of an image ${imageId} in ${store.lsu}`;
    throw new EngineError('VOST_NOT_FOUND', 'not-found', message, {
      advice: 'repair heals images, it does not copy them',
    });
  }
  if (names.has(MANIFEST) || ![...names].some(isPendingName)) return;
  const message = `the image ${store.lsu}/${imageId} is unfinished: there is nothing to compare it with`;
  throw new EngineError('VOST_IMAGE_PENDING', 'busy', message, { advice: 'finish it, or delete it' });
}

/** Where each fragment's logical bytes begin and end. */
async function extentsOf(reader: ImageReader, signal: AbortSignal): Promise<Extent[]> {
  const extents: Extent[] = [];
  for await (const { fragment, offset, length } of reader.chunks(signal)) {
    const extent = extents[fragment - 1];
    if (extent === undefined) extents[fragment - 1] = { start: offset, end: offset + length };
    else extent.end = offset + length;
  }
  return extents;
}
