import { sizeOf } from '../pipeline/chunk.ts';

/** A copy of a chunk's bytes that may go to another thread, and be changed there. */
export function copyOf(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(sizeOf(pieces));
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
): Uint8Array<ArrayBuffer> {
  const size = sizeOf(pieces);
  const [whole] = pieces;
  if (sample === undefined || whole === undefined || pieces.length > 1 || size <= sample.pieces * sample.bytes)
    return copyOf(pieces);
  const joined = new Uint8Array(sample.pieces * sample.bytes);
  const stride = (size - sample.bytes) / Math.max(1, sample.pieces - 1);
  for (let nth = 0; nth < sample.pieces; nth += 1) {
    const from = Math.floor(nth * stride);
    joined.set(whole.subarray(from, from + sample.bytes), nth * sample.bytes);
  }
  return joined;
}
