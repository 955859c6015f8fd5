import { isDeepStrictEqual } from 'node:util';
import { EngineError } from '../errors.ts';
import type { Resources } from '../pipeline/resources.ts';
import { TreeHash } from '../stages/tree-hash.ts';
import type { ObjectStore } from '../vast/store.ts';
import { isDamage } from './chunk-source.ts';
import { imageIdOf } from './identity.ts';
import { ImageReader } from './image-reader.ts';
import { decodeManifest, MAX_MANIFEST_BYTES, type Manifest } from './manifest.ts';
import { imagePrefix, MANIFEST } from './names.ts';
import { readRecord } from './read-record.ts';

/** One copy of an image. */
export interface Copy {
  readonly store: ObjectStore;
  readonly imageId: string;
}

/** The manifest that an image is repaired by. */
export interface TrueManifest {
  readonly manifest: Manifest;
  /** What is wrong with the one that is there; undefined when nothing is. */
  readonly error?: EngineError;
}

/**
 * Which manifest tells the truth about `to`: its own, unless that is missing, damaged, or proven wrong by the image's own index while the copy's is
 * proven right. Throws `integrity` when neither can be believed, `usage` (VOST_NOT_A_COPY) when `from` is of another image.
 */
export async function trueManifest(
  to: Copy,
  from: Copy,
  resources: Resources,
  signal: AbortSignal,
): Promise<TrueManifest> {
  const [own, other] = [await readManifest(to, signal), await readManifest(from, signal)];
  if (own instanceof EngineError) {
    if (other instanceof EngineError) throw own;
    // One of a newer version is not ours to replace, unless what it describes is of this one: then its version is what is damaged.
    if (own.failure === 'unsupported' && !(await isProven(to, other, resources, signal))) throw own;
    return { manifest: adopt(other, to, own), error: own };
  }
  if (other instanceof EngineError || isDeepStrictEqual(contentOf(own), contentOf(other))) return { manifest: own };
  const proves = (copy: Copy, manifest: Manifest): Promise<boolean> => isProven(copy, manifest, resources, signal);
  if ((await proves(to, own)) || (await proves(from, own))) {
    if (own.index.sha256 === other.index.sha256 || !(await proves(from, other))) return { manifest: own };
    throw notACopy(to, from);
  }
  if (!(await proves(to, other))) throw notACopy(to, from);
  const key = `${to.store.lsu}/${imagePrefix(to.imageId)}${MANIFEST}`;
  const error = new EngineError(
    'VOST_BAD_RECORD',
    'integrity',
    `${key} does not fit the image's index, and that of the copy does`,
  );
  return { manifest: { ...own, ...contentOf(other) }, error };
}

/** Damaged, or damaged so that it looks like something newer than we are. */
function isUnreadable(error: unknown): error is EngineError {
  return isDamage(error) || (error instanceof EngineError && error.failure === 'unsupported');
}

/** What all copies of an image have in common. */
function contentOf({
  size,
  fragments,
  checksum,
  sha256,
  chain,
  chunk_size,
  leaf_size,
  index,
  metas,
}: Manifest): Partial<Manifest> & Pick<Manifest, 'size' | 'fragments' | 'checksum' | 'index'> {
  const always = { size, fragments, checksum, chain, chunk_size, leaf_size, index };
  return { ...always, ...(sha256 === undefined ? {} : { sha256 }), ...(metas === undefined ? {} : { metas }) };
}

/** The manifest of a copy, or what is wrong with it. */
async function readManifest({ store, imageId }: Copy, signal: AbortSignal): Promise<Manifest | EngineError> {
  const key = `${imagePrefix(imageId)}${MANIFEST}`;
  try {
    const manifest = await readRecord(store, key, MAX_MANIFEST_BYTES, decodeManifest, signal);
    if (imageIdOf(manifest.identity) === imageId) return manifest;
    return new EngineError('VOST_BAD_RECORD', 'integrity', `${store.lsu}/${key} has the identity of another image`);
  } catch (error) {
    if (isUnreadable(error)) return error;
    throw error;
  }
}

/** The manifest of a copy for an image of the same identity. Its lock and its writer were the copy's. */
function adopt({ lock: _, creator: __, ...manifest }: Manifest, to: Copy, cause: EngineError): Manifest {
  if (imageIdOf(manifest.identity) === to.imageId) return manifest;
  const message = `${to.store.lsu}/${to.imageId}: the manifest is lost, and the copy has another name, so that it does not tell what the manifest said`;
  throw new EngineError('VOST_REPAIR_IDENTITY', 'integrity', message, {
    cause,
    advice: 'repair from a copy of the same name, or from a snapshot',
  });
}

/** Whether the index of a copy fits a manifest in all that a manifest says about it. */
async function isProven(
  { store, imageId }: Copy,
  manifest: Manifest,
  resources: Resources,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const reader = ImageReader.of(store, resources, imageId, manifest);
    await reader.checkIndex(signal);
    const tree = new TreeHash();
    const ends = manifest.fragments.map(() => 0);
    let size = 0;
    for await (const chunk of reader.chunks(signal)) {
      tree.push(chunk.leaves);
      size += chunk.length;
      ends[chunk.fragment - 1] = chunk.storedOffset + chunk.storedLength;
    }
    const root = `sha256-tree:${Buffer.from(tree.root()).toString('hex')}`;
    return (
      size === manifest.size &&
      root === manifest.checksum &&
      manifest.fragments.every((fragment, at) => fragment.size === ends[at])
    );
  } catch (error) {
    if (isUnreadable(error)) return false;
    throw error;
  }
}

function notACopy(to: Copy, from: Copy): EngineError {
  const message = `${from.store.lsu}/${from.imageId} is no copy of ${to.store.lsu}/${to.imageId}, or what tells it is damaged`;
  return new EngineError('VOST_NOT_A_COPY', 'usage', message, { advice: 'nothing was changed; name another copy' });
}
