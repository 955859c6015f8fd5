import { EngineError } from '../errors.ts';
import type { ObjectInfo, ObjectStore } from '../vast/store.ts';

/** Looks at a record that somebody replaces each time; records are replaced a few times in an image's life. */
const LOOKS = 5;

/**
 * Read a whole small object and decode it. Its size and its bytes are two requests: one that is replaced in between is read again.
 * Throws `not-found`; `busy` when it never stands still; `integrity` when it is larger than `limit` bytes, before reading it; what `decode` throws.
 *
 * @param known what a listing has just told of it, which saves a request.
 * @param decode gets the bytes, and LSU and key for its errors. Class `integrity` is for bytes that are not whole.
 */
export async function readRecord<T>(
  store: ObjectStore,
  key: string,
  limit: number,
  decode: (bytes: Uint8Array, where: string) => T,
  signal?: AbortSignal,
  known?: ObjectInfo,
): Promise<T> {
  const where = `${store.lsu}/${key}`;
  let info = known ?? (await look(store, key, signal));
  for (let looks = 1; ; looks += 1) {
    try {
      return decode(await readWhole(store, info, limit, where, signal), where);
    } catch (error) {
      if (!looksTorn(error)) throw error;
      const now = await look(store, key, signal);
      if (now.etag === info.etag && now.size === info.size && now.modified === info.modified) throw error;
      if (looks === LOOKS) {
        const advice = 'try again when the job that writes it has ended';
        throw new EngineError('VOST_RECORD_BUSY', 'busy', `${where} is being replaced all the time`, {
          advice,
          cause: error,
        });
      }
      info = now;
    }
  }
}

async function look(store: ObjectStore, key: string, signal: AbortSignal | undefined): Promise<ObjectInfo> {
  const info = await store.head(key, { signal });
  if (info === undefined) throw new EngineError('VOST_NOT_FOUND', 'not-found', `${store.lsu}/${key} does not exist`);
  return info;
}

async function readWhole(
  store: ObjectStore,
  { key, size }: ObjectInfo,
  limit: number,
  where: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (size > limit) {
    const message = `${where} has ${size} bytes where at most ${limit} make sense`;
    throw new EngineError('VOST_BAD_RECORD', 'integrity', message);
  }
  const bytes = new Uint8Array(size);
  await store.read(key, 0, bytes, { signal });
  return bytes;
}

/** As a record looks whose size is another one's: cut off, or shorter than its size. */
function looksTorn(error: unknown): boolean {
  return error instanceof EngineError && (error.failure === 'integrity' || error.code === 'VOST_SHORT_READ');
}
