import { EngineError } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { TreeHash } from '../stages/tree-hash.ts';
import { imageIdOf } from './identity.ts';
import type { ImageReader } from './image-reader.ts';
import type { Subset } from './subset.ts';

export interface VerifyOptions {
  /** Which chunks to read. Default: all. */
  readonly subset?: Subset | undefined;
  readonly readAhead: number | 'auto';
  readonly signal?: AbortSignal | undefined;
  /** Called with the logical bytes verified so far. */
  readonly onProgress?: (verified: number) => void;
}

export interface VerifyResult {
  /** Logical bytes read back and compared. */
  readonly bytes: number;
  readonly chunks: number;
}

/**
 * Read an image back and compare every leaf with its digest, the digests with the checksum in the manifest, the index and the host's blobs with
 * their digests, the sizes of the fragments with the manifest, and the identity with the name of the image's folder. Throws an `integrity` error that names the first place found wrong.
 */
export async function verifyImage(reader: ImageReader, options: VerifyOptions): Promise<VerifyResult> {
  const { size, checksum, identity, fragments, metas = [] } = reader.manifest;
  const { signal } = options;
  if (imageIdOf(identity) !== reader.imageId) {
    const message = `image ${reader.imageId}: the manifest is of another image, or damaged: its identity does not lead to this name`;
    throw new EngineError('VOST_BAD_RECORD', 'integrity', message);
  }
  await reader.checkIndex(signal);
  for (const fragment of fragments) await reader.checkFragment(fragment, signal);
  for (const meta of metas) await reader.checkMeta(meta, signal);
  const tree = new TreeHash();
  let chunks = 0;
  let bytes = 0;
  let covered = 0;
  const chosen = async function* (): AsyncGenerator<StoredChunk> {
    for await (const chunk of reader.chunks(options.signal)) {
      tree.push(chunk.leaves);
      covered += chunk.length;
      if (options.subset && !(await options.subset(chunk))) continue;
      chunks += 1;
      yield chunk;
    }
  };
  await reader.readChunks(chosen(), 0, size, options, async (data) => {
    bytes += data.byteLength;
    options.onProgress?.(bytes);
  });
  const root = `sha256-tree:${Buffer.from(tree.root()).toString('hex')}`;
  if (covered !== size || root !== checksum) {
    throw new EngineError(
      'VOST_CORRUPT',
      'integrity',
      `image ${reader.imageId}: the index covers ${covered} of ${size} bytes or does not match the manifest's checksum`,
    );
  }
  return { bytes, chunks };
}
