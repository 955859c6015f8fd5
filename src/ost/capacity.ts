import { statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UNKNOWN } from './wire/kinds.ts';

/** Bytes of a storage, {@link UNKNOWN} where nobody can say. */
export interface Capacity {
  readonly total: bigint;
  readonly used: bigint;
}

const NOBODY_KNOWS: Capacity = { total: UNKNOWN, used: UNKNOWN };

/**
 * How full a storage is. A directory answers for its file system; S3 has no such question. Takes one system
 * call, never a listing.
 *
 * @param url as for openStorage.
 */
export async function readCapacity(url: string): Promise<Capacity> {
  if (!url.startsWith('file:')) return NOBODY_KNOWS;
  const { bsize, blocks, bavail } = await statfs(resolve(url.slice('file:'.length)), { bigint: true });
  return { total: bsize * blocks, used: bsize * (blocks - bavail) };
}
