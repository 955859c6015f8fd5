import type { BufferPool } from '../pipeline/buffer-pool.ts';
import { sizeOf } from '../pipeline/chunk.ts';

/** A copy of a chunk's bytes, which may go to another thread and be changed there. */
export function copyOf(pieces: readonly Uint8Array[], buffers: Pick<BufferPool, 'take'>): Uint8Array<ArrayBuffer> {
  const size = sizeOf(pieces);
  const whole = new Uint8Array(buffers.take(size), 0, size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

/** Some pieces of a chunk, spread evenly from its first byte to its last one; all of it when it has no more than that. */
export function sampleOf(
  pieces: readonly Uint8Array[],
  sample: { readonly pieces: number; readonly bytes: number } | undefined,
  buffers: Pick<BufferPool, 'take'>,
): Uint8Array<ArrayBuffer> {
  const size = sizeOf(pieces);
  const [whole] = pieces;
  if (sample === undefined || whole === undefined || pieces.length > 1 || size <= sample.pieces * sample.bytes)
    return copyOf(pieces, buffers);
  const wanted = sample.pieces * sample.bytes;
  const joined = new Uint8Array(buffers.take(wanted), 0, wanted);
  const stride = (size - sample.bytes) / Math.max(1, sample.pieces - 1);
  for (let nth = 0; nth < sample.pieces; nth += 1) {
    const from = Math.floor(nth * stride);
    joined.set(whole.subarray(from, from + sample.bytes), nth * sample.bytes);
  }
  return joined;
}
