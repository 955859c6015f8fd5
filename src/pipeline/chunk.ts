import type { Lease } from './lease.ts';

/** One write of the source: bytes of the image at a logical offset. The memory is the caller's until the write is accepted. */
export interface SourceWrite {
  readonly offset: number;
  readonly data: Uint8Array;
}

/** Contiguous bytes of the image in order, in memory that we own. */
export interface Run {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly lease: Lease;
}

/**
 * The unit of the pipeline: a slice of the image's logical bytes on its way to or from storage.
 * `pieces` is the payload as the last stage left it; stages replace it and hand the old lease back.
 */
export interface Chunk {
  /** Position in the image's sequence of chunks, from 0. */
  readonly index: number;
  /** Logical offset of the first byte. */
  readonly offset: number;
  /** Logical length in bytes. */
  readonly length: number;
  /** The payload, in order; one piece until a stage splits it. */
  readonly pieces: readonly Uint8Array[];
  /** Holds the memory of `pieces`. */
  readonly lease: Lease;
  /** SHA-256 digests of the chunk's leaves, 32 bytes each; set by the checksum stage, or on restore by the index. */
  readonly leaves?: Uint8Array;
}

/** Bytes in a list of pieces. */
export function sizeOf(pieces: readonly Uint8Array[]): number {
  let size = 0;
  for (const piece of pieces) size += piece.byteLength;
  return size;
}
