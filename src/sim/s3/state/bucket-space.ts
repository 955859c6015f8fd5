import type { BlobStore } from './blob-store.ts';
import type { Bucket } from './bucket.ts';

/** The buckets that a request can reach. */
export interface BucketSpace {
  readonly blobs: BlobStore;
  /** Those that ListBuckets names, by name. */
  buckets(): readonly { readonly name: string; readonly created: number }[];
  /** A bucket by name. Throws NoSuchBucket and AccessDenied. */
  bucket(name: string): Bucket;
  /** `created` is in milliseconds since the epoch. Throws what S3 says to bad, taken and forbidden names. */
  createBucket(name: string, created: number, location: string): void;
  /** Open uploads do not keep a bucket alive; objects do, unless its contents are to go with it. */
  deleteBucket(name: string, options?: { readonly contents?: boolean }): void;
  /** Throws unless so many bytes and new objects may be written to a bucket. */
  checkRoom(name: string, bytes: number, objects: number): void;
}
