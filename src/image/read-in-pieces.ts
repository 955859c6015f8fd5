import { LEAF_BYTES } from '../bridge/bridge.ts';

/**
 * Read [0, length) in pieces of about `pieceBytes` at the same time, in whole leaves. When one fails the others are stopped; it throws the first error once
 * none of them touches the memory any more.
 */
export async function inPieces(
  length: number,
  pieceBytes: number,
  signal: AbortSignal,
  read: (from: number, to: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const count = Math.ceil(length / pieceBytes);
  if (count <= 1) return read(0, length, signal);
  const each = Math.ceil(length / count / LEAF_BYTES) * LEAF_BYTES;
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  let first: { readonly error: unknown } | undefined;
  const pieces: Promise<void>[] = [];
  for (let from = 0; from < length; from += each) {
    const piece = read(from, Math.min(length, from + each), both);
    pieces.push(
      piece.catch((error: unknown) => {
        first ??= { error };
        failed.abort();
      }),
    );
  }
  await Promise.all(pieces);
  if (first !== undefined) throw first.error;
}
