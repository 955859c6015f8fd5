import { EngineError } from '../errors.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { StoredChunk } from '../stages/packer.ts';
import type { ImageReader } from './image-reader.ts';

/** What another copy may still have: bytes that are wrong, missing, or cut off here. */
export function isDamage(error: unknown): error is EngineError {
  return error instanceof EngineError && (error.failure === 'integrity' || error.failure === 'not-found');
}

/**
 * The stored bytes of a chunk, from the first of the copies in which they decode to what the leaves' digests say. They are handed to `use`, and their
 * memory goes when its promise has settled.
 *
 * Throws the error of the last copy, class `integrity` or `not-found`, when none has them; anything else at once.
 */
export async function withVerifiedChunk(
  copies: readonly ImageReader[],
  chunk: StoredChunk,
  resources: Resources,
  signal: AbortSignal,
  use: (stored: Uint8Array) => Promise<void>,
): Promise<void> {
  let failed: unknown;
  for (const copy of copies) {
    const scope = new LeaseScope();
    try {
      const { bytes } = await resources.slabs.acquire(chunk.storedLength, scope, signal);
      const error = await verify(copy, chunk, bytes, { ...resources, scope }, signal);
      if (error === undefined) return await use(bytes);
      failed = error;
    } finally {
      scope.releaseAll();
    }
  }
  throw failed;
}

/** Fill `bytes`; resolves to what is wrong with them. */
async function verify(
  copy: ImageReader,
  chunk: StoredChunk,
  bytes: Uint8Array,
  env: Resources & { readonly scope: LeaseScope },
  signal: AbortSignal,
): Promise<unknown> {
  try {
    await copy.fetch(chunk, bytes, signal);
    // Decoding gives its input's memory back; these bytes are still wanted.
    const input = { ...chunk, pieces: [bytes], lease: { release: () => undefined } };
    (await copy.decode(input, env, copy.clocks(), signal)).lease.release();
    return undefined;
  } catch (error) {
    if (isDamage(error)) return copy.named(error);
    throw error;
  }
}
