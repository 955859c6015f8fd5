import { LEAF_BYTES } from '../../src/bridge/bridge.ts';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { type Lease, noLease } from '../../src/pipeline/lease.ts';

export { LEAF_BYTES };

/** A chunk of one piece. */
export function chunkOf(data: Uint8Array, more: Partial<Chunk> = {}): Chunk {
  return { index: 0, offset: 0, length: data.byteLength, pieces: [data], lease: noLease, ...more };
}

/** A lease that counts its releases. */
export function countingLease(): Lease & { readonly released: number } {
  const lease = {
    released: 0,
    release: () => {
      lease.released += 1;
    },
  };
  return lease;
}

/** Bytes that no compressor shrinks, the same for the same seed (xorshift32). */
export function noise(length: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed * 2654435761 || 1;
  for (let at = 0; at < words.length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}

/** Text that shrinks well. */
export function prose(length: number): Buffer {
  return Buffer.alloc(length, 'the quick brown fox jumps over the lazy dog, again and again. ');
}

/** A signal that never fires. */
export const never: AbortSignal = new AbortController().signal;
