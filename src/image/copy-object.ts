import { abortError, EngineError } from '../errors.ts';
import type { LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore, PartInfo } from '../vast/store.ts';

/** Size of the pieces that pass through memory, bytes, when the stores allow it. */
const PIECE_BYTES = 16 * 1024 * 1024;
/** Pieces on their way at the same time. */
const PARALLEL = 4;

export interface CopyObjectOptions {
  /** What the object must have, bytes. */
  readonly size: number;
  readonly resources: Resources;
  /** For what is in memory. */
  readonly scope: LeaseScope;
  readonly sameStorage: boolean;
  /** Makes an upload known before its first part is sent. */
  readonly onUpload: (id: string) => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

interface Place {
  readonly store: ObjectStore;
  readonly key: string;
}

/**
 * Copy one object: by the store itself inside one storage, else piece by piece through memory. Durable when this resolves. Throws
 * `integrity` when the source does not have the size it should have.
 */
export async function copyObject(
  from: Place,
  to: Place,
  options: CopyObjectOptions,
  onProgress: (bytes: number) => void,
): Promise<void> {
  const { size, signal } = options;
  const piece = pieceBytes(to, options);
  let copied: { readonly size: number };
  if (options.sameStorage) {
    copied = await to.store.copy({ lsu: from.store.lsu, key: from.key }, to.key, { signal });
  } else if (size <= piece) {
    copied = await copyWhole(from, to, options);
  } else {
    copied = await copyPieces(from, to, piece, options, onProgress);
  }
  const source = await from.store.head(from.key, { signal });
  if (copied.size !== size || source?.size !== size) {
    const message = `${from.store.lsu}/${from.key} has ${source?.size} bytes, and ${copied.size} were copied, where the manifest says ${size}`;
    throw new EngineError('VOST_STORED_SIZE', 'integrity', message);
  }
}

/** What memory, parts and their number allow. Throws `capacity` when the target's store cannot take such an object. */
function pieceBytes({ store, key }: Place, { size, resources }: CopyObjectOptions): number {
  const { minPartBytes, maxPartBytes, maxParts, maxObjectBytes } = store.limits;
  const suitable = Math.min(PIECE_BYTES, Math.floor(resources.budget.total / PARALLEL));
  const piece = Math.max(minPartBytes, suitable, Math.ceil(size / maxParts));
  if (size <= maxObjectBytes && piece <= maxPartBytes) return piece;
  const message = `${store.lsu}/${key} would have ${size} bytes, which is more than its store takes`;
  throw new EngineError('VOST_OBJECT_TOO_LARGE', 'capacity', message);
}

async function copyWhole(
  from: Place,
  to: Place,
  { size, resources, scope, signal }: CopyObjectOptions,
): Promise<{ size: number }> {
  const { bytes, lease } = await resources.slabs.acquire(size, scope, signal);
  await from.store.read(from.key, 0, bytes, { signal });
  const info = await to.store.put(to.key, [bytes], { signal });
  lease.release();
  return info;
}

async function copyPieces(
  from: Place,
  to: Place,
  piece: number,
  { size, resources, scope, onUpload, signal }: CopyObjectOptions,
  onProgress: (bytes: number) => void,
): Promise<{ size: number }> {
  const upload = await to.store.createUpload(to.key, { signal });
  const stop = new AbortController();
  const all = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const parts: PartInfo[] = [];
  const count = Math.ceil(size / piece);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      if (all.aborted) throw abortError(all);
      const nth = next;
      next += 1;
      const offset = nth * piece;
      const length = Math.min(piece, size - offset);
      const { bytes, lease } = await resources.slabs.acquire(length, scope, all);
      await from.store.read(from.key, offset, bytes, { signal: all });
      const part = { number: nth + 1, offset, size: length, body: [bytes] };
      parts[nth] = await upload.putPart(part, { signal: all });
      lease.release();
      done += length;
      onProgress(done);
    }
  };
  try {
    await onUpload(upload.id);
    const workers = Array.from({ length: Math.min(PARALLEL, count) }, () =>
      work().catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
    );
    // Memory is in use until all have ended.
    await Promise.allSettled(workers);
    if (all.aborted) throw signal?.aborted ? abortError(signal) : stop.signal.reason;
    return await upload.complete(parts, { signal });
  } catch (error) {
    await upload.abort().catch(() => undefined);
    throw error;
  }
}
