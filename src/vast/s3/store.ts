import { bodyBytes, checkObjectBytes, checkOffset, checkSignal } from '../body.ts';
import { checkFolderPrefix, checkKey, checkLsu, checkPrefix, isBucketLsu } from '../names.ts';
import type {
  Body,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  RequestOptions,
  StoreCapabilities,
  StoreLimits,
  Upload,
  UploadInfo,
} from '../store.ts';
import { copyObject } from './copy.ts';
import { headObject, type S3Place } from './head.ts';
import { S3History } from './history.ts';
import type { Digests } from './integrity.ts';
import { listFolders, listObjects, listUploads } from './list.ts';
import { readPolicy } from './policy.ts';
import { putObject } from './put.ts';
import { readObject } from './read.ts';
import { S3Remover } from './remove.ts';
import { S3Retention } from './retention.ts';
import type { S3Sender } from './send.ts';
import { serverTime } from './server-time.ts';
import { putObjectStream } from './stream.ts';
import { createS3Upload, S3Upload } from './upload.ts';
import { S3Versioning } from './versioning.ts';

/** AWS' limits for parts; VAST documents none of its own. */
const MIN_PART_BYTES = 5 * 2 ** 20;
const MAX_PART_BYTES = 5 * 2 ** 30;

/** An LSU that is a bucket. */
export class S3Store implements ObjectStore {
  readonly lsu: string;
  readonly limits: StoreLimits;
  readonly capabilities: StoreCapabilities = { serverSideCopy: true };
  readonly retention: S3Retention;
  readonly history: S3History;
  readonly #place: S3Place;
  readonly #remover: S3Remover;

  constructor(sender: S3Sender, digests: Digests, lsu: string, storageClass?: string) {
    this.lsu = lsu;
    this.limits = {
      minPartBytes: MIN_PART_BYTES,
      maxPartBytes: MAX_PART_BYTES,
      maxParts: sender.settings.maxParts,
      maxObjectBytes: sender.settings.maxObjectBytes,
    };
    this.#place = { sender, digests, lsu, limits: this.limits, storageClass };
    const versioning = new S3Versioning(this.#place);
    this.retention = new S3Retention(this.#place, versioning);
    this.history = new S3History(this.#place, versioning, this.retention);
    this.#remover = new S3Remover(this.#place, this.history);
  }

  inStorageClass(name: string): ObjectStore {
    const { sender, digests } = this.#place;
    return new S3Store(sender, digests, this.lsu, name);
  }

  /** Everything that can be refused without the server. */
  #check(options: RequestOptions, keys: readonly string[]): void {
    for (const key of keys) checkKey(key);
    this.#place.sender.check();
    checkSignal(options.signal);
  }

  now(options: RequestOptions = {}): Promise<number> {
    return serverTime(this.#place, options);
  }

  async put(key: string, body: Body, options: RequestOptions = {}): Promise<ObjectInfo> {
    this.#check(options, [key]);
    // One PutObject takes at most as much as one part.
    const maxObjectBytes = Math.min(MAX_PART_BYTES, this.limits.maxObjectBytes);
    checkObjectBytes(bodyBytes(body), { ...this.limits, maxObjectBytes });
    return putObject(this.#place, key, body, options);
  }

  async putStream(key: string, source: AsyncIterable<Uint8Array>, options: RequestOptions = {}): Promise<ObjectInfo> {
    this.#check(options, [key]);
    return putObjectStream(this.#place, key, source, options);
  }

  async read(key: string, offset: number, into: Uint8Array, options: RequestOptions = {}): Promise<void> {
    this.#check(options, [key]);
    checkOffset(offset);
    return readObject(this.#place, key, offset, into, options);
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    this.#check(options, [key]);
    return headObject(this.#place, key, options);
  }

  policy(options: RequestOptions = {}): Promise<string | undefined> {
    return readPolicy(this.#place, options);
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ObjectInfo, undefined> {
    checkPrefix(options.prefix ?? '');
    yield* listObjects(this.#place, options);
  }

  async *listFolders(prefix: string, options: RequestOptions = {}): AsyncGenerator<string, undefined> {
    checkFolderPrefix(prefix);
    yield* listFolders(this.#place, prefix, options);
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    this.#check(options, keys);
    await this.#remover.delete(keys, options);
  }

  async createUpload(key: string, options: RequestOptions = {}): Promise<Upload> {
    this.#check(options, [key]);
    return createS3Upload(this.#place, key, options);
  }

  resumeUpload(key: string, id: string): Upload {
    checkKey(key);
    return new S3Upload(this.#place, key, id);
  }

  async *listUploads(prefix: string, options: RequestOptions = {}): AsyncGenerator<UploadInfo, undefined> {
    checkPrefix(prefix);
    yield* listUploads(this.#place, prefix, options);
  }

  async copy(
    from: { readonly lsu: string; readonly key: string },
    key: string,
    options: RequestOptions = {},
  ): Promise<ObjectInfo> {
    checkLsu(from.lsu, isBucketLsu);
    this.#check(options, [from.key, key]);
    return copyObject(this.#place, from, key, options);
  }
}
