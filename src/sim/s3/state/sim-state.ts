import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { s3Error } from '../s3-error.ts';
import { BlobStore } from './blob-store.ts';
import { Bucket } from './bucket.ts';
import type { BucketSpace } from './bucket-space.ts';

/** Bucket naming rules (Amazon S3 user guide); they also make every name a safe folder name. */
export const BUCKET_NAME = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Everything the S3 endpoint knows, in one directory that one process uses at a time: `blobs/` for
 * bytes, `buckets/<name>/journal` for the rest, `tmp/` for buckets being made or removed. Several
 * listeners may share one state.
 */
export class SimState implements BucketSpace {
  readonly blobs: BlobStore;
  readonly #dir: string;
  readonly #buckets = new Map<string, Bucket>();

  private constructor(dir: string) {
    this.#dir = dir;
    rmSync(join(dir, 'tmp'), { recursive: true, force: true });
    mkdirSync(join(dir, 'tmp'), { recursive: true });
    mkdirSync(join(dir, 'buckets'), { recursive: true });
    this.blobs = new BlobStore(join(dir, 'blobs'));
    for (const name of readdirSync(join(dir, 'buckets'))) {
      this.#buckets.set(name, Bucket.open(name, join(dir, 'buckets', name), this.blobs));
    }
  }

  /** Read the directory, which is made when it is not there. Damaged state is VOST_SIM_STATE. */
  static async open(dir: string): Promise<SimState> {
    const state = new SimState(dir);
    await state.blobs.sweep();
    return state;
  }

  /** All buckets, by name. */
  buckets(): Bucket[] {
    return [...this.#buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw s3Error('NoSuchBucket');
    return bucket;
  }

  createBucket(name: string, created: number, location: string): void {
    if (!BUCKET_NAME.test(name)) throw s3Error('InvalidBucketName');
    if (this.#buckets.has(name)) throw s3Error('BucketAlreadyOwnedByYou');
    const made = this.#temporary();
    Bucket.make(made, created, location);
    renameSync(made, join(this.#dir, 'buckets', name));
    this.#buckets.set(name, Bucket.open(name, join(this.#dir, 'buckets', name), this.blobs));
  }

  /** Open uploads do not keep a bucket alive; objects do, unless its contents are to go with it. */
  deleteBucket(name: string, { contents = false } = {}): void {
    const bucket = this.bucket(name);
    if (!bucket.isEmpty && !contents) throw s3Error('BucketNotEmpty');
    const removed = this.#temporary();
    renameSync(join(this.#dir, 'buckets', name), removed);
    this.#buckets.delete(name);
    bucket.drop();
    rmSync(removed, { recursive: true });
  }

  /** There are no quotas here. */
  checkRoom(): void {}

  async close(): Promise<void> {
    for (const bucket of this.#buckets.values()) bucket.close();
    await this.blobs.settled();
  }

  #temporary(): string {
    return join(this.#dir, 'tmp', randomBytes(8).toString('hex'));
  }
}
