import { constants } from 'node:fs';
import { bodyBytes, checkObjectBytes, checkOffset, checkSignal, SourceFailure, watchSource } from '../body.ts';
import { checkFolderPrefix, checkKey, checkPrefix } from '../names.ts';
import type { Retrier } from '../retry.ts';
import type {
  Body,
  Leftovers,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  RequestOptions,
  StoreCapabilities,
  StoreLimits,
  Upload,
  UploadInfo,
} from '../store.ts';
import { noSuchKey, shortRead, storageClosed } from '../store-errors.ts';
import { errnoOf, fileError, orMissing } from './classify.ts';
import type { OpenFile } from './files.ts';
import { listLeftovers, removeLeftover } from './leftovers.ts';
import { listFolderNames, listObjects, listUploads } from './list.ts';
import { openRegular, readRange } from './read.ts';
import { deleteKeys, pruneFolder } from './remove.ts';
import { fileTime, infoOf, replaceFile } from './temporary.ts';
import { createFileUpload, FileUpload, type FileUploadHost } from './upload.ts';
import { during, entryPath, findFolder, type LsuPlace, splitKey } from './walk.ts';
import { writeBody } from './write.ts';

const LIMITS: StoreLimits = {
  minPartBytes: 1,
  maxPartBytes: 5 * 2 ** 30,
  maxParts: 10_000,
  // The largest file of ext4 with 4 KiB blocks.
  maxObjectBytes: 2 ** 44 - 4096,
};

export interface FileStoreOptions {
  readonly place: LsuPlace;
  /** Where another LSU of the storage lies; throws `usage`, `not-found`. */
  readonly placeOf: (lsu: string) => LsuPlace;
  readonly retrier: Retrier;
  readonly directIo: boolean;
  /** Aborted when the storage is closed. */
  readonly closed: AbortSignal;
}

/** An LSU that is a directory: keys are paths, so that `cat` and `cp` work on objects. */
export class FileStore implements ObjectStore, FileUploadHost {
  readonly lsu: string;
  readonly limits: StoreLimits = LIMITS;
  readonly capabilities: StoreCapabilities = { serverSideCopy: true };
  readonly place: LsuPlace;
  readonly retrier: Retrier;
  readonly directIo: boolean;
  readonly leftovers: Leftovers = {
    list: (options = {}) => {
      const { retrier } = this;
      const found = listLeftovers(during(this.place, options.signal), { signal: options.signal, retrier });
      return this.#generate('list temporary files of', options, found);
    },
    remove: (name, options = {}) => this.#run('remove', name, 0, options, (place) => removeLeftover(place, name)),
  };
  readonly #placeOf: (lsu: string) => LsuPlace;
  readonly #closed: AbortSignal;

  constructor(options: FileStoreOptions) {
    this.place = options.place;
    this.#placeOf = options.placeOf;
    this.lsu = options.place.lsu;
    this.retrier = options.retrier;
    this.directIo = options.directIo;
    this.#closed = options.closed;
  }

  check(signal: AbortSignal | undefined): void {
    if (this.#closed.aborted) throw storageClosed(`file:${this.place.directory}`);
    checkSignal(signal);
  }

  async #once<T>(what: string, options: RequestOptions, work: (place: LsuPlace) => Promise<T>): Promise<T> {
    this.check(options.signal);
    try {
      return await work(during(this.place, options.signal));
    } catch (error) {
      throw error instanceof SourceFailure ? error.error : fileError(error, what);
    }
  }

  async #run<T>(
    operation: string,
    key: string,
    bytes: number,
    options: RequestOptions,
    work: (place: LsuPlace) => Promise<T>,
  ): Promise<T> {
    const { signal } = options;
    const what = `${operation} ${this.lsu}/${key}`;
    const { lsu } = this;
    return this.retrier.run({ operation, bytes, lsu, key, signal }, () => this.#once(what, options, work));
  }

  async *#generate<T>(what: string, options: RequestOptions, items: AsyncIterable<T>): AsyncGenerator<T, undefined> {
    this.check(options.signal);
    try {
      yield* items;
    } catch (error) {
      throw fileError(error, `${what} ${this.lsu}`);
    }
  }

  /** Write a new file; when that fails, folders made for it go away again. */
  async #replace(
    place: LsuPlace,
    key: string,
    options: RequestOptions,
    fill: (file: OpenFile, path: string) => Promise<unknown>,
  ): Promise<ObjectInfo> {
    try {
      return await replaceFile(place, key, fill, options.signal);
    } catch (error) {
      await pruneFolder(place, splitKey(key).folder).catch(() => undefined);
      throw error;
    }
  }

  /** By a file that is made for it: on a mounted export times are the server's. */
  async now(options: RequestOptions = {}): Promise<number> {
    return this.#run('ask for the time of', '', 0, options, () => fileTime(this.place));
  }

  async put(key: string, body: Body, options: RequestOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    const bytes = bodyBytes(body);
    checkObjectBytes(bytes, this.limits);
    return this.#run('put', key, bytes, options, (place) =>
      this.#replace(place, key, options, (file) => writeBody(file, body, 0, options.signal)),
    );
  }

  async putStream(key: string, source: AsyncIterable<Uint8Array>, options: RequestOptions = {}): Promise<ObjectInfo> {
    checkKey(key);
    return this.#once(`put ${this.lsu}/${key}`, options, (place) =>
      this.#replace(place, key, options, async (file) => {
        let at = 0;
        for await (const piece of watchSource(source, options.signal)) {
          checkObjectBytes(at + piece.byteLength, this.limits);
          at = await writeBody(file, [piece], at, options.signal);
        }
      }),
    );
  }

  /** Open an object for reading; the caller closes it. */
  async #openObject(place: LsuPlace, key: string): Promise<OpenFile> {
    const { lsu } = place;
    const { folder, name } = splitKey(key);
    const dir = await findFolder(place, folder);
    if (dir === undefined) throw noSuchKey(lsu, key);
    await using parent = dir;
    try {
      const file = await openRegular(parent, name);
      if (file !== undefined) return file;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw noSuchKey(lsu, key, error);
      throw error;
    }
    throw noSuchKey(lsu, key);
  }

  async read(key: string, offset: number, into: Uint8Array, options: RequestOptions = {}): Promise<void> {
    checkKey(key);
    checkOffset(offset);
    await this.#run('read', key, into.byteLength, options, async (place) => {
      await using file = await this.#openObject(place, key);
      const size = Number((await file.stat()).size);
      const wanted = into.byteLength;
      if (offset + wanted > size) throw shortRead(this.lsu, key, offset, wanted);
      const filled = await readRange(file, into, offset, this.directIo, options.signal);
      if (filled < wanted) throw shortRead(this.lsu, key, offset, wanted);
    });
  }

  async head(key: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    checkKey(key);
    return this.#run('head', key, 0, options, async (place) => {
      const { folder, name } = splitKey(key);
      const found = await findFolder(place, folder);
      if (found === undefined) return undefined;
      await using dir = found;
      const stat = await orMissing(dir.files.lstat(entryPath(dir, name)));
      return stat?.isFile() ? infoOf(key, stat) : undefined;
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ObjectInfo, undefined> {
    const { prefix = '', startAfter = '', signal } = options;
    const { retrier } = this;
    checkPrefix(prefix);
    yield* this.#generate(
      'list',
      options,
      listObjects(during(this.place, signal), prefix, startAfter, { signal, retrier }),
    );
  }

  async *listFolders(prefix: string, options: RequestOptions = {}): AsyncGenerator<string, undefined> {
    checkFolderPrefix(prefix);
    yield* this.#generate(
      'list folders of',
      options,
      listFolderNames(during(this.place, options.signal), prefix, { signal: options.signal, retrier: this.retrier }),
    );
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    for (const key of keys) checkKey(key);
    await this.#run('delete', keys[0] ?? '', 0, options, (place) => deleteKeys(place, keys, options.signal));
  }

  async createUpload(key: string, options: RequestOptions = {}): Promise<Upload> {
    checkKey(key);
    return this.#run('create upload', key, 0, options, (place) => createFileUpload(this, place, key));
  }

  resumeUpload(key: string, id: string): Upload {
    checkKey(key);
    return new FileUpload(this, key, id);
  }

  async *listUploads(prefix: string, options: RequestOptions = {}): AsyncGenerator<UploadInfo, undefined> {
    checkPrefix(prefix);
    yield* this.#generate(
      'list uploads of',
      options,
      listUploads(during(this.place, options.signal), prefix, { signal: options.signal, retrier: this.retrier }),
    );
  }

  /**
   * The kernel copies: by reflink where the filesystem can, else by copy_file_range. It cannot be
   * interrupted; an aborted copy ends when the kernel is done.
   */
  async copy(
    from: { readonly lsu: string; readonly key: string },
    key: string,
    options: RequestOptions = {},
  ): Promise<ObjectInfo> {
    const other = this.#placeOf(from.lsu);
    checkKey(from.key);
    checkKey(key);
    return this.#run('copy', key, 0, options, async (place) => {
      await using source = await this.#openObject(during(other, options.signal), from.key);
      return await this.#replace(place, key, options, async (file, path) => {
        await file.files.copyFile(`/proc/self/fd/${source.fd}`, path, constants.COPYFILE_FICLONE);
      });
    });
  }
}
