import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { prefixEnd } from '../keys.ts';
import { s3Error } from '../s3-error.ts';
import type { BlobStore } from './blob-store.ts';
import { Journal } from './journal.ts';
import { KeyIndex } from './key-index.ts';
import { checkDeletable, type LockQuestion, type Protection } from './locks.ts';
import type { DeleteMarker, JournalRecord, StoredObject, StoredPart, StoredUpload } from './records.ts';
import { isMarker, newVersionId, type StoredVersion, Versions, versionIdOf } from './versions.ts';

/** An upload and the parts stored so far, by number. */
export interface OpenUpload {
  readonly upload: StoredUpload;
  readonly parts: Map<number, StoredPart>;
}

/** What a bucket, or a part of it, takes up. */
export interface BucketUsage {
  readonly bytes: number;
  /** The same with every object and part rounded up to blocks. */
  readonly blockBytes: number;
  readonly inodes: number;
}

const JOURNAL = 'journal';
/** Size of a block, bytes. */
const BLOCK = 32 * 1024;

/**
 * One bucket: objects and open uploads in memory, its journal on disk. Every change is synchronous
 * and writes its record first, so memory never says what the disk does not. Segments handed in are
 * retained here; the caller keeps, and later releases, its own reference.
 */
export class Bucket {
  readonly name: string;
  readonly #blobs: BlobStore;
  readonly #objects = new KeyIndex<StoredObject>();
  readonly #versions = new Versions();
  readonly #uploads = new Map<string, OpenUpload>();
  #partCount = 0;
  #bytes = 0;
  #blocks = 0;
  #created = 0;
  #location = '';
  #protection: Protection = { versioning: false, objectLock: false };
  #journal: Journal | undefined;

  private constructor(name: string, blobs: BlobStore) {
    this.name = name;
    this.#blobs = blobs;
  }

  /** Write an empty bucket into a new folder. */
  static make(dir: string, created: number, location: string): void {
    mkdirSync(dir);
    Journal.create(join(dir, JOURNAL), [{ type: 'bucket', version: 1, created, location }]).close();
  }

  static open(name: string, dir: string, blobs: BlobStore): Bucket {
    const bucket = new Bucket(name, blobs);
    bucket.#journal = Journal.open(join(dir, JOURNAL), (record) => bucket.#apply(record));
    return bucket;
  }

  /** Milliseconds since the epoch. */
  get created(): number {
    return this.#created;
  }

  get location(): string {
    return this.#location;
  }

  get objects(): Pick<KeyIndex<StoredObject>, 'get' | 'next' | 'size'> {
    return this.#objects;
  }

  get protection(): Protection {
    return this.#protection;
  }

  /** Versioning and object lock; whoever calls sees to it that neither is turned off. */
  protect(protection: Protection): void {
    this.#commit({ type: 'protection', protection });
  }

  /** No object, and no version of one. */
  get isEmpty(): boolean {
    return this.#objects.size === 0 && this.#versions.count === 0;
  }

  /** All versions of a key, the newest first. */
  versions(key: string): StoredVersion[] {
    const current = this.#objects.get(key);
    return [...(current === undefined ? [] : [current]), ...this.#versions.of(key)];
  }

  /** The first key with a version `>= from` (or `> from`). */
  nextVersioned(from: string, inclusive: boolean): string | undefined {
    const [one, other] = [this.#objects.next(from, inclusive), this.#versions.next(from, inclusive)];
    return one === undefined || (other !== undefined && other < one) ? other : one;
  }

  get uploads(): ReadonlyMap<string, OpenUpload> {
    return this.#uploads;
  }

  /** Objects and the parts of open uploads; an inode is an object. */
  usage(): BucketUsage {
    return { bytes: this.#bytes, blockBytes: this.#blocks * BLOCK, inodes: this.#objects.size };
  }

  /** The objects whose keys begin with a prefix. */
  usageBelow(prefix: string): BucketUsage {
    const sizes = this.keysBelow(prefix).map((key) => this.#objects.get(key)?.size ?? 0);
    return {
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      blockBytes: sizes.reduce((sum, size) => sum + blocksOf(size) * BLOCK, 0),
      inodes: sizes.length,
    };
  }

  /** Keys that begin with a prefix, in order. */
  keysBelow(prefix: string): string[] {
    const keys: string[] = [];
    const end = prefix === '' ? undefined : prefixEnd(prefix);
    let key = this.#objects.next(prefix, true);
    while (key !== undefined && (end === undefined || key < end)) {
      keys.push(key);
      key = this.#objects.next(key, false);
    }
    return keys;
  }

  /** The open upload of that id for that key; NoSuchUpload when there is none. */
  upload(id: string, key: string): OpenUpload {
    const open = this.#uploads.get(id);
    if (open === undefined || open.upload.key !== key) throw s3Error('NoSuchUpload');
    return open;
  }

  /** Returns the object as it was stored, with its version. */
  putObject(object: StoredObject): StoredObject {
    const stored = this.#asVersion(object);
    this.#commit({ type: 'object', object: stored });
    return stored;
  }

  /**
   * With versioning: a delete marker, which is returned, becomes the newest version. Without: deleting what is not there does nothing.
   *
   * @param now milliseconds since the epoch.
   */
  deleteObject(key: string, now = Date.now()): DeleteMarker | undefined {
    if (!this.#protection.versioning) {
      if (this.#objects.get(key) !== undefined) this.#commit({ type: 'delete', key });
      return undefined;
    }
    const marker = { marker: true, key, modified: now, version: newVersionId(now) } as const;
    this.#commit({ type: 'marker', marker });
    return marker;
  }

  /** Delete one version for good; undefined when it is not there. Throws AccessDenied while it is locked. */
  deleteVersion(key: string, id: string, question: LockQuestion): StoredVersion | undefined {
    const version = this.versions(key).find((each) => versionIdOf(each) === id);
    if (version === undefined) return undefined;
    if (!isMarker(version)) checkDeletable(version.lock, question);
    this.#commit({ type: 'delete-version', key, id });
    return version;
  }

  /** Replace a version by one that differs in its tags or its lock only. */
  revise(object: StoredObject): void {
    this.#commit({ type: 'revise', object });
  }

  createUpload(upload: StoredUpload): void {
    this.#commit({ type: 'upload', upload });
  }

  putPart(id: string, key: string, part: StoredPart): void {
    this.upload(id, key);
    this.#commit({ type: 'part', id, part });
  }

  abortUpload(id: string, key: string): void {
    this.upload(id, key);
    this.#commit({ type: 'abort', id });
  }

  /** Returns the object as it was stored, with its version. */
  completeUpload(id: string, object: StoredObject): StoredObject {
    this.upload(id, object.key);
    const stored = this.#asVersion(object);
    this.#commit({ type: 'complete', id, object: stored });
    return stored;
  }

  /** Stop; later changes are NoSuchBucket. */
  close(): void {
    this.#journal?.close();
    this.#journal = undefined;
  }

  /** Stop, and give up every blob: the bucket's folder is gone. */
  drop(): void {
    this.close();
    for (const object of this.#objects.values()) this.#blobs.release(object.segments);
    for (const version of this.#versions.all()) if (!isMarker(version)) this.#blobs.release(version.segments);
    for (const id of [...this.#uploads.keys()]) this.#endUpload(id);
  }

  #commit(record: JournalRecord): void {
    if (this.#journal === undefined) throw s3Error('NoSuchBucket');
    this.#journal.append(record);
    this.#apply(record);
    const live = 2 + this.#objects.size + this.#versions.count + this.#uploads.size + this.#partCount;
    if (this.#journal.isWorthRewriting(live)) this.#journal.rewrite(this.#records());
  }

  #apply(record: JournalRecord): void {
    switch (record.type) {
      case 'bucket':
        this.#created = record.created;
        this.#location = record.location;
        return;
      case 'object':
        this.#setObject(record.object);
        return;
      case 'delete':
        this.#forget(this.#objects.get(record.key));
        this.#objects.delete(record.key);
        return;
      case 'upload':
        this.#uploads.set(record.upload.id, { upload: record.upload, parts: new Map() });
        return;
      case 'part':
        this.#setPart(record.id, record.part);
        return;
      case 'abort':
        this.#endUpload(record.id);
        return;
      case 'complete':
        this.#setObject(record.object);
        this.#endUpload(record.id);
        return;
      case 'protection':
        this.#protection = record.protection;
        return;
      case 'marker':
        this.#retire(record.marker.key);
        this.#versions.push(record.marker);
        return;
      case 'delete-version':
        this.#removeVersion(record.key, record.id);
        return;
      case 'revise':
        this.#replaceVersion(record.object);
        return;
    }
  }

  #asVersion({ version: _, lock, ...object }: StoredObject): StoredObject {
    const locked = lock === undefined || !this.#protection.objectLock ? {} : { lock };
    return this.#protection.versioning
      ? { ...object, ...locked, version: newVersionId(object.modified) }
      : { ...object, ...locked };
  }

  #setObject(object: StoredObject): void {
    // Retain first: the new object may share blobs with the one that it replaces.
    this.#keep(object);
    if (object.version !== undefined) this.#retire(object.key);
    this.#forget(this.#objects.get(object.key));
    this.#objects.set(object.key, object);
  }

  /** The present object of a key becomes an older version. */
  #retire(key: string): void {
    const current = this.#objects.get(key);
    if (current === undefined) return;
    this.#objects.delete(key);
    this.#versions.push(current);
  }

  /** When the newest version goes, the one before it is present again. */
  #removeVersion(key: string, id: string): void {
    const current = this.#objects.get(key);
    const isCurrent = current !== undefined && versionIdOf(current) === id;
    const removed = isCurrent ? current : this.#versions.remove(key, id);
    if (isCurrent) this.#objects.delete(key);
    if (removed !== undefined && !isMarker(removed)) this.#forget(removed);
    const [newest] = this.versions(key);
    if (newest === undefined || isMarker(newest) || newest === this.#objects.get(key)) return;
    this.#versions.remove(key, versionIdOf(newest));
    this.#objects.set(key, newest);
  }

  #replaceVersion(object: StoredObject): void {
    const current = this.#objects.get(object.key);
    if (current !== undefined && current.version === object.version) this.#objects.set(object.key, object);
    else this.#versions.replace(object);
  }

  #setPart(id: string, part: StoredPart): void {
    const parts = this.#uploads.get(id)?.parts;
    if (parts === undefined) return;
    this.#keep(part);
    const older = parts.get(part.number);
    if (older === undefined) this.#partCount += 1;
    this.#forget(older);
    parts.set(part.number, part);
  }

  #keep({ segments, size }: StoredObject | StoredPart): void {
    this.#blobs.retain(segments);
    this.#bytes += size;
    this.#blocks += blocksOf(size);
  }

  #forget(stored: StoredObject | StoredPart | undefined): void {
    if (stored === undefined) return;
    this.#blobs.release(stored.segments);
    this.#bytes -= stored.size;
    this.#blocks -= blocksOf(stored.size);
  }

  #endUpload(id: string): void {
    for (const part of this.#uploads.get(id)?.parts.values() ?? []) {
      this.#forget(part);
      this.#partCount -= 1;
    }
    this.#uploads.delete(id);
  }

  *#records(): Iterable<JournalRecord> {
    yield { type: 'bucket', version: 1, created: this.#created, location: this.#location };
    yield { type: 'protection', protection: this.#protection };
    for (const history of this.#versions.histories()) {
      for (const version of history) {
        yield isMarker(version) ? { type: 'marker', marker: version } : { type: 'object', object: version };
      }
    }
    for (const object of this.#objects.values()) yield { type: 'object', object };
    for (const { upload, parts } of this.#uploads.values()) {
      yield { type: 'upload', upload };
      for (const part of parts.values()) yield { type: 'part', id: upload.id, part };
    }
  }
}

function blocksOf(size: number): number {
  return Math.ceil(size / BLOCK);
}
