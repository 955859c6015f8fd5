import { setImmediate as tick } from 'node:timers/promises';
import { checkObjectBytes, checkOffset, checkSignal, unwrapSource, watchSource } from '../body.ts';
import { checkFolderPrefix, checkKey, checkLsu, checkPrefix, isDirectoryLsu } from '../names.ts';
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
import { noSuchKey, noSuchLsu, shortRead, storageClosed } from '../store-errors.ts';
import { MemoryRetention } from './retention.ts';
import { type MemoryLsu, type MemoryObject, type MemoryState, nextMarker } from './state.ts';
import { MemoryStoreUpload } from './upload.ts';

const LIMITS: StoreLimits = {
  minPartBytes: 1,
  maxPartBytes: 2 ** 30,
  maxParts: 10_000,
  maxObjectBytes: 2 ** 31,
};

/** The contract in its plainest form: the model that other stores are compared with in tests. */
export class MemoryStore implements ObjectStore {
  readonly lsu: string;
  readonly limits: StoreLimits = LIMITS;
  readonly capabilities: StoreCapabilities = { serverSideCopy: true };
  readonly #state: MemoryState;
  readonly retention?: MemoryRetention;
  readonly #closed: AbortSignal;
  readonly #clock: () => number;

  /** @param clock milliseconds since the epoch. */
  constructor(state: MemoryState, lsu: string, closed: AbortSignal, clock: () => number, locks: boolean) {
    this.#clock = clock;
    this.#state = state;
    this.lsu = lsu;
    this.#closed = closed;
    if (locks) this.retention = new MemoryRetention(lsu, () => this.#data(), clock);
  }

  #data(lsu = this.lsu): MemoryLsu {
    if (this.#closed.aborted) throw storageClosed('memory:');
    const data = this.#state.get(lsu);
    if (data === undefined) throw noSuchLsu(lsu);
    return data;
  }

  #object(key: string, lsu = this.lsu): MemoryObject {
    const object = this.#data(lsu).objects.get(key);
    if (object === undefined) throw noSuchKey(lsu, key);
    return object;
  }

  async now({ signal }: RequestOptions = {}): Promise<number> {
    checkSignal(signal);
    this.#data();
    return this.#clock();
  }

  async put(key: string, body: Body, options: RequestOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    checkSignal(options.signal);
    const bytes = Buffer.concat(body);
    checkObjectBytes(bytes.byteLength, this.limits);
    await tick();
    checkSignal(options.signal);
    const info = { key, size: bytes.byteLength, modified: this.#clock(), etag: nextMarker() };
    this.retention?.check(key);
    this.#data().objects.set(key, { info, bytes });
    return info;
  }

  async putStream(key: string, source: AsyncIterable<Uint8Array>, options: RequestOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    checkSignal(options.signal);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const piece of watchSource(source, options.signal)) {
        bytes += piece.byteLength;
        checkObjectBytes(bytes, this.limits);
        pieces.push(new Uint8Array(piece));
      }
    } catch (error) {
      throw unwrapSource(error);
    }
    return this.put(key, pieces, options);
  }

  async read(key: string, offset: number, into: Uint8Array, options: RequestOptions = {}): Promise<void> {
    checkKey(key);
    checkOffset(offset);
    checkSignal(options.signal);
    await tick();
    checkSignal(options.signal);
    const { bytes } = this.#object(key);
    if (offset + into.byteLength > bytes.byteLength) throw shortRead(this.lsu, key, offset, into.byteLength);
    into.set(bytes.subarray(offset, offset + into.byteLength));
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    checkKey(key);
    checkSignal(options.signal);
    return this.#data().objects.get(key)?.info;
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ObjectInfo, undefined> {
    const { prefix = '', startAfter = '' } = options;
    checkPrefix(prefix);
    checkSignal(options.signal);
    const keys = [...this.#data().objects.keys()].filter((key) => key.startsWith(prefix) && key > startAfter);
    for (const key of keys.sort()) {
      checkSignal(options.signal);
      const object = this.#data().objects.get(key);
      if (object !== undefined) yield object.info;
    }
  }

  async *listFolders(prefix: string, options: RequestOptions = {}): AsyncGenerator<string, undefined> {
    checkFolderPrefix(prefix);
    checkSignal(options.signal);
    const folders = new Set<string>();
    for (const key of this.#data().objects.keys()) {
      const end = key.startsWith(prefix) ? key.indexOf('/', prefix.length) : -1;
      if (end >= 0) folders.add(key.slice(prefix.length, end + 1));
    }
    for (const folder of [...folders].sort()) {
      checkSignal(options.signal);
      yield folder.slice(0, -1);
    }
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    for (const key of keys) checkKey(key);
    checkSignal(options.signal);
    for (const key of keys) this.retention?.check(key);
    for (const key of keys) this.#data().objects.delete(key);
  }

  async createUpload(key: string, options: RequestOptions = {}): Promise<Upload> {
    checkKey(key);
    checkSignal(options.signal);
    const id = nextMarker();
    this.#data().uploads.set(id, { key, initiated: this.#clock(), parts: new Map() });
    return this.resumeUpload(key, id);
  }

  resumeUpload(key: string, id: string): Upload {
    checkKey(key);
    return new MemoryStoreUpload(this.lsu, this.#data(), this.limits, { key, id, retention: this.retention });
  }

  async *listUploads(prefix: string, options: RequestOptions = {}): AsyncGenerator<UploadInfo, undefined> {
    checkPrefix(prefix);
    checkSignal(options.signal);
    for (const [id, { key, initiated }] of [...this.#data().uploads]) {
      if (key.startsWith(prefix)) yield { key, id, initiated };
    }
  }

  async copy(
    from: { readonly lsu: string; readonly key: string },
    key: string,
    options: RequestOptions = {},
  ): Promise<ObjectInfo> {
    checkLsu(from.lsu, isDirectoryLsu);
    checkKey(from.key);
    checkKey(key);
    checkSignal(options.signal);
    return this.put(key, [this.#object(from.key, from.lsu).bytes], options);
  }
}
