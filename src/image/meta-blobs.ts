import { createHash } from 'node:crypto';
import { EngineError } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { MAX_META_BYTES, MAX_METAS, type MetaRecord } from './manifest.ts';
import { numberOf } from './names.ts';
import type { ObjectNames } from './object-names.ts';

/**
 * Store a blob of the host under a name of its own, so that the one it replaces stays good until the image is closed: the number in the name is the
 * blob's index plus a multiple of {@link MAX_METAS}. Throws class `usage` for a bad index or size.
 *
 * @param before the blob that it replaces.
 */
export async function putMeta(
  store: ObjectStore,
  prefix: string,
  names: ObjectNames,
  index: number,
  bytes: Uint8Array,
  before: MetaRecord | undefined,
  signal?: AbortSignal,
): Promise<MetaRecord> {
  checkIndex(index);
  if (bytes.byteLength > MAX_META_BYTES) {
    const message = `a blob of ${bytes.byteLength} bytes is larger than ${MAX_META_BYTES} bytes`;
    throw new EngineError('VOST_META_SIZE', 'usage', message);
  }
  const name = names.meta(before === undefined ? index : numberOf(before.name) + MAX_METAS);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await store.put(`${prefix}${name}`, [bytes], { signal });
  return { index, name, size: bytes.byteLength, sha256 };
}

/** Read a blob back, verified. Throws `not-found` when there is none, `integrity` when it is not what was stored. */
export async function readMeta(
  store: ObjectStore,
  prefix: string,
  index: number,
  meta: MetaRecord | undefined,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  checkIndex(index);
  if (meta === undefined) {
    throw new EngineError('VOST_META_NOT_FOUND', 'not-found', `${store.lsu}/${prefix} has no blob ${index}`);
  }
  const bytes = new Uint8Array(meta.size);
  await store.read(`${prefix}${meta.name}`, 0, bytes, { signal });
  if (createHash('sha256').update(bytes).digest('hex') !== meta.sha256) {
    const message = `${store.lsu}/${prefix}${meta.name} is not what was stored: its SHA-256 differs`;
    throw new EngineError('VOST_CORRUPT', 'integrity', message);
  }
  return bytes;
}

function checkIndex(index: number): void {
  if (Number.isInteger(index) && index >= 0 && index < MAX_METAS) return;
  throw new EngineError(
    'VOST_META_INDEX',
    'usage',
    `${index} is no number of a blob: they go from 0 to ${MAX_METAS - 1}`,
  );
}
