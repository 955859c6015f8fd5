/**
 * What a bucket's journal holds, one JSON value per line. The journal is the whole truth about a
 * bucket: a blob that no record names does not exist.
 */
import type { Checksum, ChecksumAlgorithm, ChecksumType } from '../checksum/algorithms.ts';
import type { ObjectLock, Protection } from './locks.ts';

/** A run of bytes inside a blob. Objects, parts and copies share blobs. */
export interface Segment {
  readonly blob: string;
  readonly offset: number;
  readonly length: number;
}

/** What a client attaches to an object. */
export interface Attributes {
  /** Content-Type and its kin, lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata, names without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly (readonly [key: string, value: string])[];
}

export interface StoredObject extends Attributes {
  /** Binary string, see keys.ts. */
  readonly key: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** Without quotes. */
  readonly etag: string;
  readonly segments: readonly Segment[];
  readonly checksum?: Checksum | undefined;
  /** How it was uploaded in parts; makes a repeated CompleteMultipartUpload recognisable. */
  readonly upload?:
    | { readonly id: string; readonly parts: readonly (readonly [number: number, etag: string])[] }
    | undefined;
  /** Absent when it was made without versioning. */
  readonly version?: string | undefined;
  readonly lock?: ObjectLock | undefined;
}

/** The version that a DELETE without a version id makes. */
export interface DeleteMarker {
  readonly marker: true;
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly version: string;
}

export interface StoredPart {
  readonly number: number;
  readonly size: number;
  readonly modified: number;
  readonly etag: string;
  readonly segments: readonly Segment[];
  readonly checksum?: Checksum | undefined;
}

export interface StoredUpload extends Attributes {
  /** Ascends with the time of creation, so that it orders uploads of one key. */
  readonly id: string;
  readonly key: string;
  readonly initiated: number;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
  /** For the object that it becomes. */
  readonly lock?: ObjectLock | undefined;
}

export type JournalRecord =
  | { readonly type: 'bucket'; readonly version: 1; readonly created: number; readonly location: string }
  | { readonly type: 'object'; readonly object: StoredObject }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'upload'; readonly upload: StoredUpload }
  | { readonly type: 'part'; readonly id: string; readonly part: StoredPart }
  | { readonly type: 'abort'; readonly id: string }
  /** Publishes the object and ends its upload in one step. */
  | { readonly type: 'complete'; readonly id: string; readonly object: StoredObject }
  | { readonly type: 'protection'; readonly protection: Protection }
  | { readonly type: 'marker'; readonly marker: DeleteMarker }
  | { readonly type: 'delete-version'; readonly key: string; readonly id: string }
  /** The same version with other tags or another lock. */
  | { readonly type: 'revise'; readonly object: StoredObject };
