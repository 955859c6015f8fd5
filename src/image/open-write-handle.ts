import { LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { ConfiguredStage } from '../pipeline/stage-registry.ts';
import { Claim } from './claim.ts';
import { imageComplete, imageExists } from './claim-errors.ts';
import { HandleJournal } from './handle-journal.ts';
import { startFromJournal, startFromKept } from './handle-start.ts';
import { checkIdentity, type ImageIdentity, imageIdOf } from './identity.ts';
import type { HandleContext, ImageLayout, ReopenOptions, WriteHandle, WriteTuning } from './image-backend.ts';
import { ImageHandle } from './image-handle.ts';
import { ensureLocked, planLock } from './image-lock.ts';
import { JournalRegion } from './journal-region.ts';
import { decodeManifest, imageInfoOf, MAX_MANIFEST_BYTES, type Manifest } from './manifest.ts';
import { imagePrefix, MANIFEST } from './names.ts';
import { succession } from './object-names.ts';
import type { HandleRecord, Pending } from './pending.ts';
import { latestPending, readPending } from './pending-records.ts';
import { prepareStages } from './prepare-stages.ts';
import { readRecord } from './read-record.ts';

/** Begin an image. Throws `exists` when there is one of this identity, complete or unfinished, unless this very handle began it. */
export async function createWriteHandle(
  context: HandleContext,
  options: ImageLayout & WriteTuning,
): Promise<WriteHandle> {
  const { store, resources, signal } = context;
  const identity = checkIdentity(options.identity);
  const prefix = imagePrefix(imageIdOf(identity));
  const image = imageInfoOf(store.lsu, { identity, netbackup_metadata: options.metadata });
  const stages = await prepareStages(resources, options.stages, image, signal);
  const region = regionOf(context, options.chunkBytes);
  const empty: HandleRecord = {
    creator: context.creator,
    open: true,
    size: 0,
    journal: 0,
    ...(options.flatDigest ? { sha256_state: '' } : {}),
    metas: [],
  };
  const about = {
    identity,
    netbackup_metadata: options.metadata,
    chain: stages.map(({ record }) => ({ ...record })) as Manifest['chain'],
    chunk_size: options.chunkBytes,
    leaf_size: LEAF_BYTES,
  } as const;
  await checkLock(context);
  const claim = await Claim.begin(store, prefix, about, empty, signal);
  const kept = claim.record.handle ?? empty;
  try {
    const start = await startFromKept({ store, resources, prefix, claim, kept, region, signal });
    return new ImageHandle(context, options, start, stages);
  } catch (error) {
    // Nothing was written that anybody could want.
    await claim.drop();
    throw error;
  }
}

/**
 * Open an unfinished image for writing. Throws `not-found`; `access` (VOST_IMAGE_COMPLETE) when it is complete; `busy` when another writer has it
 * open, or when it was not written through a handle; `integrity` when what was kept is not whole.
 */
export async function reopenWriteHandle(
  context: HandleContext,
  identity: ImageIdentity,
  options: ReopenOptions,
): Promise<WriteHandle> {
  const { store, resources, creator, signal } = context;
  const prefix = imagePrefix(imageIdOf(checkIdentity(identity)));
  if (await store.head(`${prefix}${MANIFEST}`, { signal })) throw imageComplete(prefix);
  const record = await readPending(store, prefix, signal);
  const { handle } = record;
  const touched = (await latestPending(store, prefix, signal))?.modified ?? 0;
  if (handle === undefined) throw busy(prefix);
  const left = handle.open && handle.creator !== creator;
  // Without a fence nothing would keep the other one from committing the image when it comes back.
  if (left && (record.fence === undefined || (await options.takeOver?.(handle.creator, touched)) !== true))
    throw busy(prefix);
  const stages = stagesOf(context, record);
  const region = regionOf(context, record.chunk_size);
  const ours: HandleRecord = { ...handle, ...(left ? { terms: succession(handle) } : {}), creator, open: true };
  await checkLock(context);
  // What was kept needs no upload: fragments are completed when an image is closed.
  const claim = await Claim[left ? 'succeed' : 'takeOver'](store, prefix, record, ours, signal);
  const kept = claim.record.handle ?? ours;
  await abortUploads(context, claim, prefix, new Set());
  const start = await startFromKept({ store, resources, prefix, claim, kept, region, signal });
  return new ImageHandle(context, options, start, stages);
}

/**
 * Go on with a handle of this creator whose process died. `committed`: the image was published and, if it was to be, is locked: nothing is left to do. Throws
 * `not-found`; `exists` or `busy` when the image has become another's; `integrity` when storage does not have what the
 * journal says.
 */
export async function attachWriteHandle(
  context: HandleContext,
  identity: ImageIdentity,
  mode: 'write',
  options: WriteTuning,
): Promise<{ readonly committed: boolean; readonly handle?: WriteHandle }> {
  if (mode !== 'write')
    throw new EngineError('VOST_MODE', 'usage', `a handle for writing cannot be attached to ${mode}`);
  const { store, resources, creator, signal } = context;
  const prefix = imagePrefix(imageIdOf(checkIdentity(identity)));
  if (await isCommitted(context, identity)) return { committed: true };
  const record = await readPending(store, prefix, signal);
  if (record.handle?.creator !== creator) throw busy(prefix);
  const stages = stagesOf(context, record);
  const region = regionOf(context, record.chunk_size);
  const kept: HandleRecord = { ...record.handle, open: true };
  const claim = await Claim.attach(store, prefix, record, kept, signal);
  // What the dead process had on its way may have come before its fence was gone.
  if (await isCommitted(context, identity)) {
    await claim.drop();
    return { committed: true };
  }
  const start = await startFromJournal({ store, resources, prefix, claim, kept, region, signal });
  // Uploads that nothing was noted of: begun, but not made use of before the end came.
  const needed = start.fragments.uploadIds;
  await abortUploads(context, claim, prefix, needed);
  if (record.uploads.some(({ id }) => !needed.has(id)))
    await claim.update(({ uploads }) => ({ uploads: uploads.filter(({ id }) => needed.has(id)) }), signal);
  return { committed: false, handle: new ImageHandle(context, options, start, stages) };
}

/** Whether the image is there, of this creator, and locked if it is to be. Throws `exists` when it is another's. */
async function isCommitted({ store, creator, signal }: HandleContext, identity: ImageIdentity): Promise<boolean> {
  const prefix = imagePrefix(imageIdOf(identity));
  const key = `${prefix}${MANIFEST}`;
  if ((await store.head(key, { signal })) === undefined) return false;
  const manifest = await readRecord(store, key, MAX_MANIFEST_BYTES, decodeManifest, signal);
  if (manifest.creator !== creator) throw imageExists(prefix);
  await ensureLocked(store, imageIdOf(identity), manifest, signal);
  return true;
}

function stagesOf({ resources }: HandleContext, { chain }: Pending): ConfiguredStage[] {
  return chain.map((record) => resources.stages.resolve(record));
}

/** Before anything is written that could not be locked in the end. */
async function checkLock({ store, lock, signal }: HandleContext): Promise<void> {
  if (lock) await planLock(store, lock, signal);
}

/** Checked before anything is written. */
function regionOf({ journal, creator }: HandleContext, chunkBytes: number): JournalRegion | undefined {
  const region = journal && new JournalRegion(journal, creator);
  HandleJournal.maxChunks(region, chunkBytes);
  return region;
}

async function abortUploads(
  { store, signal }: HandleContext,
  { record: { fence } }: Claim,
  prefix: string,
  needed: ReadonlySet<string>,
): Promise<void> {
  for await (const { key, id } of store.listUploads(prefix, { signal }))
    if (id !== fence && !needed.has(id)) await store.resumeUpload(key, id).abort({ signal });
}

function busy(prefix: string): EngineError {
  return new EngineError('VOST_IMAGE_BUSY', 'busy', `another writer has ${prefix} open`, {
    advice: 'wait until it is closed, or delete the unfinished image',
  });
}
