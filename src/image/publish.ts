import { LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { StageRecord } from '../pipeline/stage.ts';
import type { ConfiguredStage } from '../pipeline/stage-registry.ts';
import type { ObjectStore } from '../vast/store.ts';
import { VERSION } from '../version.ts';
import type { Claim } from './claim.ts';
import type { FragmentWriter } from './fragment-writer.ts';
import { imageIdOf } from './identity.ts';
import { applyLock, type LockPolicy, planLock } from './image-lock.ts';
import type { IndexSummary, IndexWriter } from './index-writer.ts';
import { encodeManifest, imageInfoOf, type Manifest } from './manifest.ts';
import { INDEX } from './names.ts';

/** For so long an image that fits one request does without a record, milliseconds: much less than anything that gc calls old. */
const UNNAMED_MS = 60_000;

/** A written image, every part of it acknowledged, about to become visible. */
export interface Publication {
  readonly store: ObjectStore;
  /** Of the image's keys. */
  readonly prefix: string;
  readonly claim: Claim;
  readonly fragments: FragmentWriter;
  readonly index: IndexWriter;
  /** The image's stages, the checksum first. */
  readonly stages: readonly ConfiguredStage[];
  /** Logical bytes that the image must have. */
  readonly size: number;
  /** The plain digest, if it was asked for. */
  readonly sha256: Uint8Array | undefined;
  readonly more: Pick<Manifest, 'metas' | 'creator'>;
  /** Lock it when it is complete. */
  readonly lock: LockPolicy | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called right before the manifest is sent. From then on it may be visible even if its answer is lost, so the data must stay. */
  readonly onPublishing: () => void;
}

/** Complete the fragments: their sizes are compared with what was acknowledged. They are durable when this resolves. */
export async function completeFragments(
  image: Pick<Publication, 'prefix' | 'claim' | 'fragments' | 'index' | 'size' | 'signal'>,
): Promise<Manifest['fragments']> {
  const { prefix, claim, index, size, signal } = image;
  // Completing, and the index, replace what another writer may have published meanwhile: look first.
  if (!claim.certain || image.fragments.open) await claim.confirm(signal);
  const fragments = await image.fragments.complete(signal);
  const stored = fragments.reduce((sum, fragment) => sum + fragment.size, 0);
  if (stored !== index.stored || index.size !== size) {
    throw new EngineError(
      'VOST_STORED_SIZE',
      'integrity',
      `${prefix}: ${stored} stored bytes for ${index.size} of ${size} bytes, where ${index.stored} were acknowledged`,
    );
  }
  return fragments;
}

/**
 * Make the image exist: uploads completed, sizes compared, index, then the manifest, then its lock. When this resolves the image is durable,
 * visible and locked; when it throws before `onPublishing`, it is none of it. What a crash keeps from being locked, the
 * next attach locks.
 */
export async function publish(image: Publication): Promise<Manifest> {
  const { store, claim, index, signal } = image;
  const fragments = await completeFragments(image);
  const chain = await sealedChain(image);
  const { summary, write } = index.seal();
  const { identity, netbackup_metadata, chunk_size } = claim.record;
  const lock = image.lock && (await planLock(store, image.lock, signal));
  const now = new Date().toISOString();
  const manifest: Manifest = {
    format: 'vast-ost-image',
    version: 1,
    image_name: identity.basename,
    creation_date: creationDate(identity.date) ?? now,
    size: index.size,
    fragments,
    checksum: `sha256-tree:${Buffer.from(index.root).toString('hex')}`,
    ...(image.sha256 ? { sha256: Buffer.from(image.sha256).toString('hex') } : {}),
    netbackup_metadata,
    identity,
    chain,
    chunk_size,
    leaf_size: LEAF_BYTES,
    index: summary,
    ...image.more,
    ...(lock ? { lock } : {}),
    committed: now,
    written_by: `vast-ost/${VERSION}`,
  };
  const bytes = encodeManifest(manifest);
  await together(write(signal), claim.send(bytes, signal));
  if (!claim.certain) await claim.confirm(signal);
  if (!claim.written && performance.now() - claim.since > UNNAMED_MS) await nameLate(image, fragments, summary);
  image.onPublishing();
  await claim.publish(bytes);
  if (lock) await applyLock(store, imageIdOf(identity), manifest, lock, signal);
  return manifest;
}

/** Settles when all of them have. Throws the first one's error. */
async function together(...work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/** What stages record, with what some of them only know when the image is whole. */
async function sealedChain({ store, claim, index, stages, signal }: Publication): Promise<Manifest['chain']> {
  const image = imageInfoOf(store.lsu, claim.record);
  const totals = { size: index.size, chunks: index.chunks };
  const chain: StageRecord[] = [];
  for (const stage of stages) chain.push((await stage.seal?.(image, totals, signal)) ?? stage.record);
  return chain as Manifest['chain'];
}

/**
 * A writer without a record that has stood still may find that gc has taken what it wrote. With a record nobody takes anything any more; what is there
 * then stays. Throws `integrity` (VOST_LOST_PART).
 */
async function nameLate(
  { store, prefix, claim, signal }: Publication,
  fragments: Manifest['fragments'],
  index: IndexSummary,
): Promise<void> {
  await claim.update(() => ({}), signal);
  for (const { name, size } of [...fragments, { name: index.name ?? INDEX, size: index.size }]) {
    const found = await store.head(`${prefix}${name}`, { signal });
    if (found?.size === size) continue;
    const message = `${store.lsu}/${prefix}${name} is gone: the backup stood still for so long that it was taken for garbage`;
    throw new EngineError('VOST_LOST_PART', 'integrity', message, { advice: 'give gc a longer --older-than' });
  }
}

/** NetBackup's date is seconds since the epoch. */
export function creationDate(date: string): string | undefined {
  if (!/^[0-9]{1,11}$/.test(date)) return undefined;
  return new Date(Number(date) * 1000).toISOString();
}
