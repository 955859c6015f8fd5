import { EngineError } from '../errors.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { StoredChunk } from '../stages/packer.ts';
import type { ObjectStore, PartInfo } from '../vast/store.ts';
import { withVerifiedChunk } from './chunk-source.ts';
import type { ImageReader } from './image-reader.ts';

/** Part size that is aimed at, bytes. */
const PART_BYTES = 16 * 1024 * 1024;
/** A share of the budget that a part may take, so that chunks fit beside it. */
const PART_SHARE = 8;

export interface FragmentRepair {
  readonly store: ObjectStore;
  readonly key: string;
  /** Bytes that the fragment has to have. */
  readonly size: number;
  /** Its chunks in order. */
  readonly chunks: AsyncIterable<StoredChunk>;
  /** Where the chunks' bytes may come from, in this order. */
  readonly copies: readonly ImageReader[];
  readonly resources: Resources;
  /** Called before the object is replaced; rejects when it must not be any more. */
  readonly confirm: () => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Write a fragment anew from chunks that were verified in the very memory they are written from, and put it in the old one's place at once. Throws
 * `integrity` or `not-found`, with nothing changed, when no copy has one of the chunks.
 */
export async function repairFragment(repair: FragmentRepair): Promise<void> {
  const { store, key, size, chunks, copies, resources, signal } = repair;
  const scope = new LeaseScope();
  const { minPartBytes, maxParts } = store.limits;
  const suitable = Math.min(PART_BYTES, Math.floor(resources.budget.total / PART_SHARE));
  const partBytes = Math.min(Math.max(minPartBytes, suitable, Math.ceil(size / maxParts)), Math.max(1, size));
  const upload = await store.createUpload(key, { signal });
  const parts: PartInfo[] = [];
  try {
    const { bytes: part } = await resources.slabs.acquire(partBytes, scope, signal);
    let sent = 0;
    let filled = 0;
    const send = async (): Promise<void> => {
      const body = part.subarray(0, filled);
      const number = parts.length + 1;
      parts.push(await upload.putPart({ number, offset: sent, body: [body], size: filled }, { signal }));
      sent += filled;
      filled = 0;
    };
    for await (const chunk of chunks) {
      if (chunk.storedOffset !== sent + filled) throw wrongSize(repair, sent + filled);
      if (chunk.storedLength + partBytes > resources.budget.total) throw tooLittleMemory(chunk, partBytes);
      await withVerifiedChunk(copies, chunk, resources, signal, async (stored) => {
        for (let at = 0; at < stored.byteLength; ) {
          const piece = stored.subarray(at, at + partBytes - filled);
          part.set(piece, filled);
          at += piece.byteLength;
          filled += piece.byteLength;
          if (filled === partBytes) await send();
        }
      });
    }
    if (sent + filled !== size) throw wrongSize(repair, sent + filled);
    if (filled > 0 || parts.length === 0) await send();
    await repair.confirm();
    await upload.complete(parts, { signal });
  } catch (error) {
    await upload.abort().catch(() => undefined);
    throw error;
  } finally {
    scope.releaseAll();
  }
}

function wrongSize({ store, key, size }: FragmentRepair, found: number): EngineError {
  const message = `${store.lsu}/${key}: the index places ${found} bytes where the manifest says ${size}`;
  return new EngineError('VOST_BAD_INDEX', 'integrity', message);
}

function tooLittleMemory({ storedLength }: StoredChunk, partBytes: number): EngineError {
  const message = `a chunk of ${storedLength} bytes and a part of ${partBytes} bytes do not fit the memory budget`;
  return new EngineError('VOST_BUDGET', 'usage', message, { advice: 'raise the memory budget' });
}
