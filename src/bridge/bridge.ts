/**
 * The native addon, typed. It owns memory that JavaScript only looks at (slabs) and does the work
 * that must not run on a JavaScript thread (digests). Built by `make` into build/bridge.node.
 */
import { createRequire } from 'node:module';

/** Leaf size of the tree hash: 1 MiB (docs/image-format.md). */
export const LEAF_BYTES = 1024 * 1024;
/** Length of a SHA-256 digest. */
export const DIGEST_BYTES = 32;

/** A mapping made by {@link Bridge.mapArena}; opaque. */
export interface MappedArena {
  readonly [mappedArena]: true;
}
declare const mappedArena: unique symbol;

/** Who is at the other end of a Unix socket, by SO_PEERCRED: as of the moment it connected. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  /** Its primary group. */
  readonly gid: number;
}

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
  /**
   * Map the first `bytes` of a memfd, shared and writable. The descriptor stays the caller's. Throws EINVAL for a file that is shorter,
   * that is no memfd of ordinary pages, or that is not sealed against shrinking: touching the mapping never fails.
   */
  mapArena(descriptor: number, bytes: number): MappedArena;
  /**
   * A part of an arena as an ArrayBuffer; offset and length are multiples of 4096. Make each view once. It ends by
   * {@link Bridge.freeSlab}, which detaches it; memory that a native thread still reads stays mapped until it is done.
   */
  arenaView(arena: MappedArena, offset: number, bytes: number): ArrayBuffer;
  /** Let go of the mapping; it goes when all views have ended. A second call does nothing. */
  unmapArena(arena: MappedArena): void;
  /** The seals (F_SEAL_…) of a memfd of ordinary pages; throws EINVAL for any other file. */
  sealsOf(descriptor: number): number;
  /**
   * Receive at most `bytes` bytes and the one descriptor that comes with them, without waiting; undefined when
   * nothing is there yet. The descriptor is close-on-exec and the caller's. Throws EBADMSG when there came none or several (they are
   * closed), ECONNRESET when the peer is gone.
   */
  receiveWithDescriptor(
    socket: number,
    bytes: number,
  ): { readonly data: Buffer; readonly descriptor: number } | undefined;
  /** The other end of a Unix socket. */
  peerOf(socket: number): Peer;
  /** Send one datagram (at most 1023 bytes) to a Unix socket without waiting; `@name` is an abstract address. Throws errno codes. */
  sendDatagram(address: string, message: string): void;
  /** flock(2), exclusive, without waiting: whether this process has the lock now. It ends when the descriptor is closed. */
  tryLock(descriptor: number): boolean;
  /** What runs underneath, found by calibration at start-up. */
  readonly implementation: { readonly sha256: string; readonly threads: number };
}

const require = createRequire(import.meta.url);

/** The loaded addon. Loading fails with a clear message when it was not built. */
export const bridge: Bridge = require('../../build/bridge.node') as Bridge;
