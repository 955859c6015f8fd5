import { EngineError } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';

/** Read a whole small object. Refuses (`integrity`) one that is larger than `limit` bytes, before reading it. */
export async function readObject(
  store: ObjectStore,
  key: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const info = await store.head(key, { signal });
  if (info === undefined) throw new EngineError('VOST_NOT_FOUND', 'not-found', `${store.lsu}/${key} does not exist`);
  if (info.size > limit) {
    throw new EngineError(
      'VOST_BAD_RECORD',
      'integrity',
      `${store.lsu}/${key} has ${info.size} bytes where at most ${limit} make sense`,
    );
  }
  const bytes = new Uint8Array(info.size);
  await store.read(key, 0, bytes, { signal });
  return bytes;
}
