/**
 * The native addon, typed. It owns memory that JavaScript only looks at (slabs) and does the work
 * that must not run on a JavaScript thread (digests). Built by `make` into build/bridge.node.
 */
import { createRequire } from 'node:module';
import { EngineError } from '../errors.ts';

/** Leaf size of the tree hash: 1 MiB (docs/image-format.md). */
export const LEAF_BYTES = 1024 * 1024;
/** Length of a SHA-256 digest. */
export const DIGEST_BYTES = 32;

/** A mapping made by {@link HostBridge.mapArena}; opaque. */
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

/** How far the bytes that were written to a TCP socket have come. */
export interface TcpProgress {
  /** Bytes that the other side's kernel has acknowledged since the connection was made, and one for its beginning. */
  readonly acknowledged: number;
  /** Bytes that this side's kernel still has, sent or not. */
  readonly queued: number;
  /**
   * Milliseconds in which bytes were there and the other side had no room for them, because nobody reads them there
   * (`tcpi_rwnd_limited` of Linux' TCP_INFO); always 0 before Linux 4.10.
   */
  readonly closedMs: number;
}

/**
 * Wrong arguments throw a TypeError at once, never through the promise. Works in worker threads too;
 * all of a process share the native threads. A pending digest keeps the process alive, an idle addon
 * does not.
 */
export interface Bridge {
  /**
   * Map `bytes` (a positive multiple of 4096, at most 1 TiB) of zeroed, page-aligned memory. The pages
   * are not touched yet, so they cost nothing until written. The memory is unmapped when the
   * ArrayBuffer is collected, or at once by {@link Bridge.freeSlab}. Throws an Error with code ENOMEM.
   */
  allocSlab(bytes: number): ArrayBuffer;
  /**
   * Unmap now; the ArrayBuffer is detached (its length becomes 0). A second call does nothing. Memory
   * that a digest still reads stays mapped until that has ended.
   */
  freeSlab(slab: ArrayBuffer): void;
  /** Give the physical pages of a slab from `from` on (a multiple of 4096, default 0) back to the system; contents become zero. */
  trimSlab(slab: ArrayBuffer, from?: number): void;
  /**
   * SHA-256 of every 1 MiB leaf of the bytes (the last leaf may be short; no bytes give no leaf), on a
   * native thread. Resolves to the leaf digests, 32 bytes each, in order. The caller keeps the
   * memory alive and unchanged until then. Rejects with code EAGAIN when no thread can be started.
   */
  leafDigests(data: Uint8Array): Promise<Buffer>;
  /** SHA-256 of the concatenation of the pieces (at most 2^20), on a native thread. */
  sha256(pieces: readonly Uint8Array[]): Promise<Buffer>;
  /** MD5 of the concatenation of the pieces (at most 2^20), on a native thread. */
  md5(pieces: readonly Uint8Array[]): Promise<Buffer>;
  /**
   * xxHash-32 (seed 0) of the concatenation of the pieces, on a native thread: the content checksum of LZ4
   * frames. 4 bytes, little-endian, as frames hold them.
   */
  xxh32(pieces: readonly Uint8Array[]): Promise<Buffer>;
  /**
   * What runs underneath: `avx512`, `avx2`, `shani` or `openssl`, or two of them as `avx512/shani` when
   * many messages at once and a single one are best served differently. Found by a calibration of a few
   * milliseconds at the first use; VAST_OST_SHA256 forces one, VAST_OST_HASH_THREADS (1 to 64) sets the
   * most threads (default: one per processor, at most 4).
   */
  readonly implementation: { readonly sha256: string; readonly threads: number };
}

/** A place in the address space made by {@link WindowBridge.createWindow}; opaque. */
export interface AddonWindow {
  readonly [addonWindow]: true;
}
declare const addonWindow: unique symbol;

/**
 * Slabs for other threads of the process than the one that has their ArrayBuffer. A slab is named by its address; whoever names one must know
 * that it is not freed meanwhile. An address that is none, and a range that is not inside the slab, throw a TypeError.
 */
export interface WindowBridge {
  /** Where a slab or a view of an arena begins; undefined for other memory. */
  addressOf(memory: ArrayBufferLike): number | undefined;
  /** An empty window of `bytes`, a multiple of 4096. Its addresses are taken until this thread's environment ends. */
  createWindow(bytes: number): AddonWindow;
  /** The window as an ArrayBuffer: zeros, but for what is shown. Ask once. It may be moved to another one (`transfer`). */
  windowMemory(window: AddonWindow): ArrayBuffer;
  /**
   * Show the pages of a part of a slab from the window's beginning on, so that its first byte is there at `offset % 4096`.
   *
   * @param itself false: pages are copied when they are written to, and the slab never changes. True: what is written is in the slab.
   */
  showSlab(window: AddonWindow, address: number, offset: number, bytes: number, itself: boolean): void;
  /** Whether what the window shows was written to; true as well when that cannot be told. Only for copies. */
  windowChanged(window: AddonWindow): boolean;
  /** Take the slab's pages away. Whoever still has the memory in view finds zeros there, or what is shown later; never a fault. */
  clearWindow(window: AddonWindow): void;
  /** Copy bytes into a slab. */
  fillSlab(address: number, offset: number, bytes: Uint8Array): void;
  /** Copy from slab to slab; the ranges may overlap. */
  copySlab(from: number, fromOffset: number, to: number, toOffset: number, bytes: number): void;
}

/** What the engine needs of its hosts' processes: their memory, and what Node's sockets and files cannot do. */
export interface HostBridge {
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
  /**
   * Make the pages of some bytes of a view (or a slab), on another thread, so that whoever writes there first need not: a page costs a fault, zeros, and
   * where the machine is a virtual one perhaps a page of its host. The bytes stay as they are. Resolves as well when the system cannot (Linux
   * before 5.14, no memory).
   */
  prefault(bytes: Uint8Array): Promise<void>;
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
  /** How a TCP socket's bytes are doing; the number is its descriptor. Throws errno codes, for other sockets too. */
  tcpProgress(socket: number): TcpProgress;
  /**
   * Where core dumps are off (RLIMIT_CORE is 0), see to it that there is none at all, also not through a pipe in core_pattern, and that no
   * other process without privileges can read this one's memory: PR_SET_DUMPABLE of prctl(2). Returns whether they are off. `/proc/PID` of
   * the process belongs to root from then on.
   */
  forbidDumps(): boolean;
  /**
   * End the process at once with this code (0 to 255), as _exit(2) does: process.exit waits for the threads of libuv, and so for a system call on
   * an NFS mount that hangs. Nothing is flushed.
   */
  leave(code: number): never;
  /** flock(2), exclusive, without waiting: whether this process has the lock now. It ends when the descriptor is closed. */
  tryLock(descriptor: number): boolean;
}

function load(): Bridge & WindowBridge & HostBridge {
  const file = '../../build/bridge.node';
  try {
    return createRequire(import.meta.url)(file) as Bridge & WindowBridge & HostBridge;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'MODULE_NOT_FOUND') {
      throw new EngineError('VOST_BRIDGE_MISSING', 'unsupported', 'the native addon build/bridge.node does not exist', {
        cause,
        advice: 'Build it with "make" in the folder of vast-ost.',
      });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (code === 'ERR_INVALID_ARG_VALUE') throw new EngineError('VOST_BRIDGE_CONFIG', 'usage', reason, { cause });
    throw new EngineError('VOST_BRIDGE_LOAD', 'unsupported', `the native addon cannot be loaded: ${reason}`, {
      cause,
      advice: 'Build it again with "make" on this machine, with the Node that runs it.',
    });
  }
}

/**
 * The loaded addon. Loading throws an {@link EngineError}: VOST_BRIDGE_MISSING (not built),
 * VOST_BRIDGE_CONFIG (a bad environment variable), VOST_BRIDGE_LOAD (anything else).
 */
export const bridge: Bridge & WindowBridge & HostBridge = load();
