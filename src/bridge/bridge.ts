/**
 * The native addon, typed. It owns memory that JavaScript only looks at (slabs) and does the work
 * that must not run on a JavaScript thread (digests). Built by `make` into build/bridge.node.
 */
import { createRequire } from 'node:module';

/** Leaf size of the tree hash: 1 MiB (docs/image-format.md). */
export const LEAF_BYTES = 1024 * 1024;
/** Length of a SHA-256 digest. */
export const DIGEST_BYTES = 32;

export interface Bridge {
  /**
   * Map `bytes` (a multiple of 4096) of zeroed, page-aligned memory. The pages are not touched yet, so
   * they cost nothing until written. The memory is unmapped when the ArrayBuffer is collected, or
   * at once by {@link Bridge.freeSlab}. Throws ENOMEM.
   */
  allocSlab(bytes: number): ArrayBuffer;
  /** Unmap now; the ArrayBuffer is detached (its length becomes 0). A second call does nothing. */
  freeSlab(slab: ArrayBuffer): void;
  /** Give the physical pages of a slab back to the system (MADV_DONTNEED); contents become zero. */
  trimSlab(slab: ArrayBuffer): void;
  /**
   * SHA-256 of every 1 MiB leaf of the bytes (the last leaf may be short; no bytes give no leaf), on a
   * native thread. Resolves to the leaf digests, 32 bytes each, in order. The caller keeps the
   * memory alive and unchanged until then.
   */
  leafDigests(data: Uint8Array): Promise<Buffer>;
  /** SHA-256 of the concatenation of the pieces, on a native thread. */
  sha256(pieces: readonly Uint8Array[]): Promise<Buffer>;
  /** MD5 of the concatenation of the pieces, on a native thread. */
  md5(pieces: readonly Uint8Array[]): Promise<Buffer>;
  /**
   * xxHash-32 (seed 0) of the concatenation of the pieces, on a native thread: the content checksum of LZ4
   * frames. 4 bytes, little-endian, as frames hold them.
   */
  xxh32(pieces: readonly Uint8Array[]): Promise<Buffer>;
  /** What runs underneath, found by calibration at start-up. */
  readonly implementation: { readonly sha256: string; readonly threads: number };
}

const require = createRequire(import.meta.url);

/** The loaded addon. Loading fails with a clear message when it was not built. */
export const bridge: Bridge = require('../../build/bridge.node') as Bridge;
