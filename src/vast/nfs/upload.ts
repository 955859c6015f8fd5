import { constants } from 'node:fs';
import { checkPart, checkParts, checkSignal } from '../body.ts';
import type { Retrier } from '../retry.ts';
import type { ObjectInfo, PartBody, PartInfo, RequestOptions, StoreLimits, Upload } from '../store.ts';
import { badParts, noSuchUpload, wrongSize } from '../store-errors.ts';
import { errnoOf, fileError, orMissing } from './classify.ts';
import type { OpenFile } from './files.ts';
import { pruneFolder } from './remove.ts';
import {
  dataName,
  headerRecord,
  isUploadId,
  openSidecar,
  type PartRecord,
  partRecord,
  readSidecar,
  type Sidecar,
  sidecarName,
  voidRecord,
} from './sidecar.ts';
import { createFile, infoOf, publish, removeFile, temporaryId } from './temporary.ts';
import { during, entryPath, findFolder, type LsuPlace, splitKey } from './walk.ts';
import { writePart } from './write.ts';

/** What an upload needs from its store. */
export interface FileUploadHost {
  readonly place: LsuPlace;
  readonly limits: StoreLimits;
  readonly retrier: Retrier;
  /** Whether large aligned writes bypass the page cache. */
  readonly directIo: boolean;
  /** Throws when the storage was closed. */
  check(signal: AbortSignal | undefined): void;
}

/** The open files of one call on an upload. */
interface OpenUpload extends AsyncDisposable {
  readonly dir: OpenFile;
  readonly sidecar: OpenFile;
}

interface Range {
  readonly number: number;
  readonly offset: number;
  readonly size: number;
}

function overlap(a: Range, b: Range): boolean {
  return a.number === b.number || (a.offset < b.offset + b.size && b.offset < a.offset + a.size);
}

/** Begin an upload: the data file and its sidecar. They outlive this process; what has to outlive the machine are objects, and bytes of parts. */
export async function createFileUpload(host: FileUploadHost, place: LsuPlace, key: string): Promise<FileUpload> {
  const id = temporaryId();
  const made = await createFile(place, key, dataName(id));
  await using dir = made.dir;
  await made.file.close();
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    await using sidecar = await dir.files.open(entryPath(dir, sidecarName(id)), flags, 0o640);
    await sidecar.append(headerRecord({ key, created: Date.now() }));
  } catch (error) {
    await removeFile(dir, dataName(id)).catch(() => undefined);
    await removeFile(dir, sidecarName(id)).catch(() => undefined);
    throw error;
  }
  return new FileUpload(host, key, id);
}

/**
 * An upload into a file of temporary name. Parts are written at their offsets and flushed before
 * they are recorded in the sidecar, so that the record never promises more than is durable.
 */
export class FileUpload implements Upload {
  readonly key: string;
  readonly id: string;
  readonly #host: FileUploadHost;
  /** Parts being written now; a part that overlaps one of them waits. */
  readonly #writing = new Map<Range, Promise<unknown>>();
  /** What the sidecar says, read once and kept up to date: one upload has one writer at a time. */
  #known: Promise<Map<number, PartRecord>> | undefined;

  constructor(host: FileUploadHost, key: string, id: string) {
    this.#host = host;
    this.key = key;
    this.id = id;
  }

  #gone(cause?: unknown): Error {
    return noSuchUpload(this.#host.place.lsu, this.key, this.id, cause);
  }

  async #open(place: LsuPlace): Promise<OpenUpload> {
    const dir = isUploadId(this.id) ? await findFolder(place, splitKey(this.key).folder) : undefined;
    if (dir === undefined) throw this.#gone();
    const sidecar = await openSidecar(dir, this.id).catch(async (error: unknown) => {
      await dir.close();
      throw error;
    });
    if (sidecar === undefined) {
      await dir.close();
      throw this.#gone();
    }
    return {
      dir,
      sidecar,
      [Symbol.asyncDispose]: async () => {
        await sidecar.close();
        await dir.close();
      },
    };
  }

  async #records(sidecar: OpenFile): Promise<Sidecar> {
    const records = await readSidecar(sidecar);
    if (records?.key !== this.key) throw this.#gone();
    return records;
  }

  async #run<T>(
    what: string,
    bytes: number,
    signal: AbortSignal | undefined,
    work: (place: LsuPlace) => Promise<T>,
  ): Promise<T> {
    const { lsu } = this.#host.place;
    return this.#host.retrier.run({ operation: what, bytes, lsu, key: this.key, signal }, async () => {
      this.#host.check(signal);
      try {
        return await work(during(this.#host.place, signal));
      } catch (error) {
        throw fileError(error, `${what} ${this.#host.place.lsu}/${this.key}`);
      }
    });
  }

  async putPart(part: PartBody, options: RequestOptions = {}): Promise<PartInfo> {
    checkPart(part, this.#host.limits);
    const range: Range = { number: part.number, offset: part.offset, size: part.size };
    for (;;) {
      const other = [...this.#writing].find(([busy]) => overlap(busy, range));
      if (other === undefined) break;
      await other[1].catch(() => undefined);
    }
    const work = this.#run('part', part.size, options.signal, (place) => this.#store(place, part, options.signal));
    this.#writing.set(range, work);
    try {
      return await work;
    } finally {
      this.#writing.delete(range);
    }
  }

  async #store(place: LsuPlace, part: PartBody, signal: AbortSignal | undefined): Promise<PartInfo> {
    await using files = await this.#open(place);
    this.#known ??= this.#records(files.sidecar).then((records) => records.parts);
    const parts = await this.#known.catch((error: unknown) => {
      this.#known = undefined;
      throw error;
    });
    // From here on the old bytes may be gone, whether or not the new ones arrive.
    const spoiled = [...parts.values()].filter((known) => overlap(known, part));
    if (spoiled.length > 0) {
      await files.sidecar.append(spoiled.map((known) => voidRecord(known.number)).join(''));
      await files.sidecar.datasync();
      for (const known of spoiled) parts.delete(known.number);
    }
    try {
      await writePart(files.dir.files, entryPath(files.dir, dataName(this.id)), part, this.#host.directIo, signal);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw this.#gone(error);
      throw error;
    }
    const record: PartRecord = { number: part.number, offset: part.offset, size: part.size, etag: temporaryId() };
    await files.sidecar.append(partRecord(record));
    // Completed or aborted meanwhile: what we appended to has lost its name.
    const named = await orMissing(files.dir.files.lstat(entryPath(files.dir, sidecarName(this.id))));
    if (named?.ino !== (await files.sidecar.stat()).ino) throw this.#gone();
    parts.set(record.number, record);
    return { number: record.number, size: record.size, etag: record.etag };
  }

  async listParts(options: RequestOptions = {}): Promise<PartInfo[]> {
    return this.#run('listParts', 0, options.signal, async (place) => {
      await using files = await this.#open(place);
      const { parts } = await this.#records(files.sidecar);
      // A record can outlive its upload when we died just after publishing.
      const data = await orMissing(files.dir.files.lstat(entryPath(files.dir, dataName(this.id))));
      if (data === undefined) throw this.#gone();
      const list = [...parts.values()].sort((a, b) => a.number - b.number);
      return list.map(({ number, size, etag }) => ({ number, size, etag }));
    });
  }

  async complete(parts: readonly PartInfo[], options: RequestOptions = {}): Promise<ObjectInfo> {
    this.#host.check(options.signal);
    try {
      return await this.#complete(during(this.#host.place, options.signal), parts, options.signal);
    } catch (error) {
      throw fileError(error, `complete ${this.#host.place.lsu}/${this.key}`);
    }
  }

  async #complete(place: LsuPlace, parts: readonly PartInfo[], signal: AbortSignal | undefined): Promise<ObjectInfo> {
    const { lsu } = place;
    await using files = await this.#open(place);
    const records = await this.#records(files.sidecar);
    const size = checkParts(lsu, this.key, parts, [...records.parts.values()], this.#host.limits);
    let end = 0;
    for (const part of parts) {
      const offset = records.parts.get(part.number)?.offset;
      if (offset !== end) throw badParts(lsu, this.key, `part ${part.number} is at ${offset}, not at ${end}`);
      end += part.size;
    }
    const data = dataName(this.id);
    await using file = await files.dir.files
      .open(entryPath(files.dir, data), constants.O_WRONLY | constants.O_NOFOLLOW)
      .catch((error: unknown) => {
        throw errnoOf(error) === 'ENOENT' ? this.#gone(error) : error;
      });
    const found = Number((await file.stat()).size);
    if (found < size) throw wrongSize(lsu, this.key, size, found);
    // Bytes of parts that were replaced by shorter ones.
    if (found > size) await file.truncate(size);
    checkSignal(signal);
    const stat = await publish(files.dir, file, data, splitKey(this.key).name).catch((error: unknown) => {
      throw errnoOf(error) === 'ENOENT' ? this.#gone(error) : error;
    });
    await removeFile(files.dir, sidecarName(this.id)).catch(() => undefined);
    return infoOf(this.key, stat);
  }

  async abort(options: RequestOptions = {}): Promise<void> {
    if (!isUploadId(this.id)) return;
    const { folder } = splitKey(this.key);
    await this.#run('abort', 0, options.signal, async (place) => {
      const dir = await findFolder(place, folder);
      if (dir === undefined) return;
      await using open = dir;
      const sidecar = await openSidecar(open, this.id);
      if (sidecar === undefined) return;
      await using file = sidecar;
      // An upload of another key is not ours to drop.
      if ((await readSidecar(file))?.key !== this.key) return;
      await removeFile(open, dataName(this.id));
      await removeFile(open, sidecarName(this.id));
    });
    await pruneFolder(this.#host.place, folder).catch(() => undefined);
  }
}
