import type { ObjectStore } from '../vast/store.ts';
import type { Settings } from './settings.ts';

/** How a new image is cut, bytes. */
export interface ImageSizes {
  readonly chunkBytes: number;
  /** Of the first parts. */
  readonly partBytes: number;
}

const LEAF_BYTES = 1024 * 1024;

/** How a new image of this LSU is cut: as the settings say, or each chunk is a part of the size that is best as far as is known. */
export function imageSizes(
  { chunk_size_mb: most, part_size_mb: part }: Pick<Settings['performance'], 'chunk_size_mb' | 'part_size_mb'>,
  { flow, limits }: Pick<ObjectStore, 'flow' | 'limits'>,
): ImageSizes {
  if (part !== 'auto') return { chunkBytes: most, partBytes: part };
  const least = Math.ceil(limits.minPartBytes / LEAF_BYTES) * LEAF_BYTES;
  const chunkBytes = Math.min(most, Math.max(least, flow?.parts?.next() ?? most));
  return { chunkBytes, partBytes: chunkBytes };
}
