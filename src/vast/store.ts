/**
 * The store contract: where fragments, indexes and manifests live.
 *
 * A {@link Storage} is one endpoint (an S3 service, a directory, memory). It holds LSUs. An LSU is
 * opened as an {@link ObjectStore}: a flat map from keys to immutable byte strings. Stores know no
 * images, chunks or stages. Every store passes the suite in test/vast/store-conformance.ts.
 *
 * Errors are {@link EngineError}s with these classes: `not-found` (no such LSU, key or upload),
 * `exists`, `access`, `credentials`, `capacity` (no space, quota), `integrity` (a digest the
 * store or we checked does not match), `retryable` (worth trying again), `aborted`, `usage`.
 */

import type { FlowControl } from './flow/flow-control.ts';
import type { CallStatus } from './nfs/call-gate.ts';
import type { Space } from './nfs/files.ts';
import type { TransferMeter } from './transfer-meter.ts';
import type { VipPoolSnapshot } from './vip-pool/vip-pool.ts';

/** Bytes in memory, in order. Retries send the same memory again, so it must not change meanwhile. */
export type Body = readonly Uint8Array[];

export interface StoreLimits {
  /** Smallest part except the last of an upload, bytes (S3: 5 MiB; a directory: 1). */
  readonly minPartBytes: number;
  /** Largest part, bytes. */
  readonly maxPartBytes: number;
  /** Most parts of one upload. */
  readonly maxParts: number;
  /** Largest object, bytes. */
  readonly maxObjectBytes: number;
}

export interface StoreCapabilities {
  /** `copy` moves no bytes through this process (CopyObject, reflink, copy_file_range). */
  readonly serverSideCopy: boolean;
}

export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  /** Last modification, milliseconds since the epoch, by the store's clock. */
  readonly modified: number;
  /** Opaque change marker of the store (S3 ETag without quotes), '' when it has none. */
  readonly etag: string;
}

export interface PartInfo {
  /** 1-based. */
  readonly number: number;
  readonly size: number;
  readonly etag: string;
}

/** A part about to be sent. */
export interface PartBody {
  /** 1-based; parts may be sent in any order and at the same time. */
  readonly number: number;
  /** Where this part begins in the object, bytes. A directory store writes there. */
  readonly offset: number;
  readonly body: Body;
  /** Sum of the body's lengths. */
  readonly size: number;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends RequestOptions {
  /** Only keys that start with this. Default ''. */
  readonly prefix?: string;
  /** Only keys greater than this. */
  readonly startAfter?: string;
}

/**
 * How firm a lock is: `governance` can be lifted by users with a special right, `compliance` by nobody
 * before its time.
 */
export type RetentionMode = 'governance' | 'compliance';

/** What an LSU that has locks says about them. */
export interface RetentionStatus {
  /** The lock that the store gives every new object by itself. */
  readonly byDefault?: { readonly mode: RetentionMode; readonly periodMs: number } | undefined;
  /** How far the store's clock is ahead of ours, milliseconds; right to about a second. Locks end by the store's clock. */
  readonly skewMs: number;
}

/** Locks: an object that has one cannot be deleted for good before its time. */
export interface Retention {
  /** Asks the store. Undefined when this LSU has no locks. */
  status(options?: RequestOptions): Promise<RetentionStatus | undefined>;
  /**
   * Until when the present object of a key is locked, milliseconds since the epoch; `Infinity` under a legal hold; 0 when it is not locked (any
   * more), is not there, or the LSU has no locks. That an LSU has none is remembered for some minutes.
   */
  lockedUntil(key: string, options?: RequestOptions): Promise<number>;
  /**
   * Lock the present objects of the keys at least until then. Never shortens or loosens a lock: an object that is locked for longer stays as it
   * is. When this resolves the store has confirmed every lock. `integrity` (VOST_LOCK_NOT_KEPT) when it answers
   * success and keeps no lock.
   *
   * @param until milliseconds since the epoch by the store's clock; rounded up to whole seconds.
   */
  extend(keys: readonly string[], until: number, mode: RetentionMode, options?: RequestOptions): Promise<void>;
}

/** What an LSU with versioning keeps behind a key: a version that was replaced or deleted, or the mark of a deletion. */
export interface HiddenVersion {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  /** When it was written, milliseconds since the epoch. */
  readonly modified: number;
}

/** Versions of stores that keep them. They take up space and no reader sees them. */
export interface VersionHistory {
  /** Everything behind keys under `prefix`, in the order of the keys; nothing when the LSU keeps no versions. */
  hidden(prefix: string, options?: RequestOptions): AsyncIterable<HiddenVersion>;
  /** Remove what lies behind the keys, never their present objects. Resolves to what is locked and so has to stay. */
  purge(keys: readonly string[], options?: RequestOptions): Promise<HiddenVersion[]>;
}

/** A file that a store made on the way to an object and that its writer, dead by now or still at work, has not turned into one. */
export interface Leftover {
  /** Path in the LSU; not a key, so nobody else sees it. */
  readonly name: string;
  readonly size: number;
  /** When it was written to last, milliseconds since the epoch. */
  readonly modified: number;
}

/** Such files, of stores that make them. The young ones are somebody's: let them be. */
export interface Leftovers {
  /** All of an LSU but the files of unfinished uploads, which {@link ObjectStore.listUploads} tells. */
  list(options?: RequestOptions): AsyncIterable<Leftover>;
  /** Remove one; one that is not there is no error. `usage` for a name that is no leftover's. */
  remove(name: string, options?: RequestOptions): Promise<void>;
}

/** One multipart upload. Nothing is visible under the key until {@link Upload.complete} answered. */
export interface Upload {
  readonly key: string;
  readonly id: string;
  /** Store one part; an acknowledged part survives our own death. Sending a number again replaces it. */
  putPart(part: PartBody, options?: RequestOptions): Promise<PartInfo>;
  /** Parts stored so far, in order of their numbers. `not-found` once completed or aborted. */
  listParts(options?: RequestOptions): Promise<PartInfo[]>;
  /**
   * Publish the object: durable when this answers. `parts` must name every part, ascending.
   * The store verifies that the object's size is the sum of the parts' sizes.
   */
  complete(parts: readonly PartInfo[], options?: RequestOptions): Promise<ObjectInfo>;
  /** Drop everything. Idempotent; an upload that is gone already is no error. */
  abort(options?: RequestOptions): Promise<void>;
}

export interface UploadInfo {
  readonly key: string;
  readonly id: string;
  /** When it was begun, or written to last where only that is known: milliseconds since the epoch by the store's clock. */
  readonly initiated: number;
}

/** One LSU: keys to immutable objects. Keys: segments of `[A-Za-z0-9._=-]` joined by single `/`, never `.` or `..`, never beginning with `.vost-` or `.nfs`, never `.snapshot`. */
export interface ObjectStore {
  readonly lsu: string;
  readonly limits: StoreLimits;
  readonly capabilities: StoreCapabilities;
  /** Absent for stores that know no locks; whether this LSU has them is what {@link Retention.status} tells. */
  readonly retention?: Retention;
  /** The policy that says who may do what in this LSU, as JSON; undefined when it has none. Absent for stores that know no policies. */
  policy?(options?: RequestOptions): Promise<string | undefined>;
  /** Absent for stores that know no versions. */
  readonly history?: VersionHistory;
  /** Absent for stores whose dead writers leave nothing but uploads. */
  readonly leftovers?: Leftovers;
  /** The same LSU, whose new objects get a storage class. Absent where there are none. */
  inStorageClass?(name: string): ObjectStore;
  /** The clock that the store's times are by, milliseconds since the epoch; right to about a second. */
  now(options?: RequestOptions): Promise<number>;
  /** Store a whole object at once, replacing an older one atomically; durable when this answers. */
  put(key: string, body: Body, options?: RequestOptions): Promise<ObjectInfo>;
  /** Store an object of unknown size from a stream, atomically and durably; for objects that need no resumption (indexes). An error of the source comes through unchanged. */
  putStream(key: string, source: AsyncIterable<Uint8Array>, options?: RequestOptions): Promise<ObjectInfo>;
  /**
   * Fill `into` with the object's bytes from `offset` on. A read that reaches beyond the end of the
   * object is a `not-found` error with code VOST_SHORT_READ, so success always means `into` is full.
   */
  read(key: string, offset: number, into: Uint8Array, options?: RequestOptions): Promise<void>;
  /** Size and marker, or undefined when there is no such key. */
  head(key: string, options?: RequestOptions): Promise<ObjectInfo | undefined>;
  /** Keys in ascending byte order, paged by the store. */
  list(options?: ListOptions): AsyncIterable<ObjectInfo>;
  /** Distinct next path segments under `prefix` (which ends in '/' or is ''), in the order of `name/` (as S3 sorts them), without the trailing '/'. Only "folders", not keys. */
  listFolders(prefix: string, options?: RequestOptions): AsyncIterable<string>;
  /**
   * Delete keys; a key that is not there is no error. Where versions are kept, those go too; what is locked stays hidden behind its key until
   * {@link VersionHistory.purge} can remove it.
   */
  delete(keys: readonly string[], options?: RequestOptions): Promise<void>;
  createUpload(key: string, options?: RequestOptions): Promise<Upload>;
  /** Take up an upload made earlier, by this process or another. Does not talk to the store. */
  resumeUpload(key: string, id: string): Upload;
  /** Uploads neither completed nor aborted, under `prefix`. */
  listUploads(prefix: string, options?: RequestOptions): AsyncIterable<UploadInfo>;
  /** Copy an object inside this storage ({@link Storage.part}); `from.lsu` names the source LSU. Uses the server side where it can. */
  copy(
    from: { readonly lsu: string; readonly key: string },
    key: string,
    options?: RequestOptions,
  ): Promise<ObjectInfo>;
}

/** One endpoint. Owns its connections; close it when done. */
export interface Storage {
  /** For people: `s3:http://127.0.0.1:9000`, `file:/backup`. Holds no secrets. */
  readonly name: string;
  /** Names of the LSUs, ascending. */
  lsus(options?: RequestOptions): Promise<string[]>;
  /** Make an LSU; `exists` when there is one. Explicit only: nothing else ever creates one. */
  createLsu(lsu: string, options?: RequestOptions): Promise<void>;
  /** Open an LSU; `not-found` when there is none. */
  open(lsu: string, options?: RequestOptions): Promise<ObjectStore>;
  /** The storage that an LSU lies in, when this one is made of several. Absent: every LSU lies in this. */
  part?(lsu: string): Storage;
  /**
   * Rejects while what an LSU (default: the storage) lies on is not what it should be, such as a mount that is missing. To be asked
   * whenever an LSU that was opened earlier is used anew. Absent where nothing is known about that.
   */
  verify?(lsu?: string): Promise<void>;
  /** Names of the snapshots of an LSU, ascending. Absent where the storage shows none. */
  snapshots?(lsu: string, options?: RequestOptions): Promise<string[]>;
  /** An LSU as it was when a snapshot was taken, to read; `not-found` when there is none of that name. */
  openSnapshot?(lsu: string, snapshot: string, options?: RequestOptions): Promise<ObjectStore>;
  /** How the data VIPs are doing now. Absent where there are none. */
  vips?(): VipPoolSnapshot;
  /** What bounds the requests in flight, where that is found out. */
  readonly flow?: FlowControl | undefined;
  /** Where the time of its requests with payload goes. Absent where nobody can tell the way from the storage. */
  readonly transfers?: TransferMeter | undefined;
  /** All that it is made of. Absent where it is one. */
  parts?(): readonly Storage[];
  /** How full it is. Absent where nobody can say. */
  space?(): Promise<Space>;
  /** How its system calls are doing. Absent where it makes none. */
  calls?(): CallStatus;
  close(): Promise<void>;
}
