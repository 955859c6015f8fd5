import type { EngineError } from '../errors.ts';
import type { Lease } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { OnImageReport } from '../pipeline/stage.ts';
import type { ConfiguredObserver, ConfiguredStage } from '../pipeline/stage-registry.ts';
import type { ObjectStore } from '../vast/store.ts';
import type { ImageIdentity } from './identity.ts';
import type { LockPolicy } from './image-lock.ts';
import type { JournalMemory } from './journal-memory.ts';
import type { Manifest, NetBackupMetadata } from './manifest.ts';

/** What a handle on an image works with. */
export interface HandleContext {
  readonly store: ObjectStore;
  readonly resources: Resources;
  /**
   * The handle's journal region in memory that survives us, zeroed by its owner for a new handle; absent when the handle need
   * not survive this process. Hostile input when read.
   */
  readonly journal: JournalMemory | undefined;
  /** Who writes: session and handle, at most 256 characters. The same one may attach again. */
  readonly creator: string;
  /** Lock the image when it is complete. */
  readonly lock?: LockPolicy | undefined;
  /** Ends the handle at once and leaves everything in storage as it is, as {@link WriteHandle.detach} does. */
  readonly signal?: AbortSignal | undefined;
}

/** How an image is sent; may differ from one writer of an image to the next. */
export interface WriteTuning {
  /** Size of the first parts, bytes. */
  readonly partBytes: number;
  /** Parts in flight at the same time. */
  readonly parallelParts: number;
  /** Look at what is written. Default: none. */
  readonly observers?: readonly ConfiguredObserver[];
  /** Hears what they tell people. */
  readonly onReport?: OnImageReport | undefined;
}

/** What an image is, from its first writer on. */
export interface ImageLayout {
  readonly identity: ImageIdentity;
  readonly metadata: NetBackupMetadata;
  /** Stages after the checksum, in write order. */
  readonly stages: readonly ConfiguredStage[];
  /** Length of a chunk, bytes; a multiple of 1 MiB. */
  readonly chunkBytes: number;
  /** Also keep the plain SHA-256 of the image. */
  readonly flatDigest: boolean;
}

export interface ReopenOptions extends WriteTuning {
  /**
   * Whether a writer that left the image open is known to be gone, so that the image may be taken from it. Default: never.
   *
   * @param creator of the writer that has it open.
   * @param touched when its pending record was last written, milliseconds since the epoch, by the store's clock.
   */
  readonly takeOver?: (creator: string, touched: number) => boolean | Promise<boolean>;
}

/** Numbers for a progress line. */
export interface WriteProgress {
  /** Logical bytes taken from the source. */
  readonly accepted: number;
  /** Logical bytes that storage has acknowledged, from the image's beginning without a gap. */
  readonly acknowledged: number;
  /** Encoded bytes of these. */
  readonly stored: number;
  readonly partsInFlight: number;
}

/** Where a read landed; see {@link ReadHandle.read}. */
export interface ReadRange {
  /** Logical offset of the first byte. */
  readonly start: number;
  readonly length: number;
  /** Where it lies in the memory that was to be filled. */
  readonly slotOffset: number;
  /** The range ends where the image ends. */
  readonly eof: boolean;
}

export type CloseMode = 'complete' | 'incomplete' | 'abandon';

/**
 * An image open for writing, fed with whole chunks. Chunk n holds the logical bytes from n × `chunkBytes` on. Ends with exactly
 * one {@link close} or {@link detach}.
 */
export interface WriteHandle {
  readonly imageId: string;
  readonly chunkBytes: number;
  /** The first chunk that may be handed over: those below are sealed. */
  readonly firstChunk: number;
  /** Logical bytes kept by earlier writers. */
  readonly size: number;
  /**
   * Fill `into` with what storage keeps of a chunk's beginning (the last, short chunk of a reopened image); resolves to how many
   * bytes, 0 for any other chunk.
   */
  present(chunk: number, into: Uint8Array): Promise<number>;
  /**
   * Hand a chunk over, in any order. It has `chunkBytes` bytes; the image's highest one, `last`, may have fewer. Never throws: a chunk that cannot
   * be taken fails the handle. The bytes must not change until `lease` is released, which happens exactly once: when
   * storage has acknowledged them and the journal says so, or when the handle has failed or ended.
   */
  put(chunk: number, bytes: Uint8Array, last: boolean, lease: Lease): void;
  /** Resolves when every whole chunk that follows another without a gap is stored. Chunks beyond a gap and a short last one stay. */
  flush(): Promise<void>;
  /** Store a blob of the host, replacing an earlier one. Durable with the next close that succeeds. */
  writeMeta(index: number, bytes: Uint8Array): Promise<void>;
  /** Throws `not-found` when there is none. */
  readMeta(index: number): Promise<Uint8Array>;
  /**
   * End the handle, also when this throws; every lease is released before it settles. `complete` publishes the image, of which
   * every byte below `size` must be there; `incomplete` keeps [0, size) for another writer, on this machine or any
   * other; `abandon` keeps what was kept before, and so does a close that fails.
   *
   * @param size the image's logical bytes.
   */
  close(mode: CloseMode, size: number): Promise<Manifest | undefined>;
  /** End the handle and leave storage and journal as they are, for an attach. Resolves when nothing touches the slots any more. Never throws. */
  detach(): Promise<void>;
  /** Called once with the first failure, also when it happened before. */
  onFailure(listener: (error: EngineError) => void): void;
  readonly progress: WriteProgress;
}

/** A complete image open for reading. Any number of reads may run at the same time. */
export interface ReadHandle {
  readonly imageId: string;
  readonly manifest: Manifest;
  /**
   * Put verified bytes into `into`: at least the one at `offset`, `length` if they fit, and when reading sequentially as much as fits. At or beyond the
   * image's end: no bytes, `eof`. `into` may be written to until this settles, and beside the range that is named.
   */
  read(offset: number, length: number, into: Uint8Array, sequential: boolean, signal?: AbortSignal): Promise<ReadRange>;
  /** Throws `not-found` when there is none. */
  readMeta(index: number): Promise<Uint8Array>;
  /** Stops what is running; resolves when nothing touches the callers' memory any more. */
  close(): Promise<void>;
}
