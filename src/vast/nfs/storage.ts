import { mkdir, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkSignal } from '../body.ts';
import { checkLsu, isDirectoryLsu, SNAPSHOTS } from '../names.ts';
import { Retrier, type RetrierOptions } from '../retry.ts';
import type { ObjectStore, RequestOptions, Storage } from '../store.ts';
import { lsuExists, noSuchLsu, storageClosed } from '../store-errors.ts';
import { errnoOf, fileError } from './classify.ts';
import { FileStore } from './store.ts';
import { entryPath, findFolder, type LsuPlace } from './walk.ts';

export interface FileStorageOptions extends Omit<RetrierOptions, 'refresh'> {
  /** Whether large aligned writes bypass the page cache where the file system allows. Default true. */
  readonly directIo?: boolean;
}

/** A directory (local or an NFS mount) whose subdirectories are LSUs. */
export class FileStorage implements Storage {
  readonly name: string;
  readonly #root: string;
  readonly #retrier: Retrier;
  readonly #directIo: boolean;
  readonly #closed = new AbortController();

  /** @param root absolute path of an existing directory */
  constructor(root: string, options: FileStorageOptions = {}) {
    this.#root = root;
    this.name = `file:${root}`;
    this.#retrier = new Retrier(options);
    this.#directIo = options.directIo ?? true;
  }

  async #run<T>(operation: string, options: RequestOptions, work: () => Promise<T>): Promise<T> {
    return this.#retrier.run({ operation, signal: options.signal }, async () => {
      if (this.#closed.signal.aborted) throw storageClosed(this.name);
      try {
        return await work();
      } catch (error) {
        throw fileError(error, `${operation} ${this.#root}`);
      }
    });
  }

  async lsus(options: RequestOptions = {}): Promise<string[]> {
    return this.#run('list LSUs of', options, async () => {
      const names: string[] = [];
      for await (const entry of await opendir(this.#root)) {
        checkSignal(options.signal);
        if (isDirectoryLsu(entry.name) && entry.isDirectory()) names.push(entry.name);
      }
      return names.sort();
    });
  }

  async createLsu(lsu: string, options: RequestOptions = {}): Promise<void> {
    checkLsu(lsu, isDirectoryLsu);
    await this.#run('create LSU in', options, async () => {
      try {
        await mkdir(join(this.#root, lsu), 0o750);
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') throw lsuExists(lsu, error);
        throw error;
      }
      await using root = await open(this.#root, 'r');
      await root.sync();
    });
  }

  async open(lsu: string, options: RequestOptions = {}): Promise<ObjectStore> {
    checkLsu(lsu, isDirectoryLsu);
    return this.#run('open LSU in', options, () => this.#openAt({ root: this.#root, lsu }));
  }

  async snapshots(lsu: string, options: RequestOptions = {}): Promise<string[]> {
    checkLsu(lsu, isDirectoryLsu);
    return this.#run('list snapshots in', options, async () => {
      await this.#openAt({ root: this.#root, lsu });
      const names: string[] = [];
      // The policy of the view may hide the folder; it need not be there.
      const found = await findFolder({ root: this.#root, lsu }, [SNAPSHOTS]);
      if (found === undefined) return names;
      await using folder = found;
      for await (const { name } of await opendir(entryPath(folder, '.'))) {
        checkSignal(options.signal);
        if (isDirectoryLsu(name)) names.push(name);
      }
      return names.sort();
    });
  }

  async openSnapshot(lsu: string, snapshot: string, options: RequestOptions = {}): Promise<ObjectStore> {
    checkLsu(lsu, isDirectoryLsu);
    checkLsu(snapshot, isDirectoryLsu);
    return this.#run('open a snapshot in', options, async () => {
      await this.#openAt({ root: this.#root, lsu });
      return this.#openAt({ root: this.#root, lsu, inside: [SNAPSHOTS, snapshot] });
    });
  }

  async #openAt(place: LsuPlace): Promise<FileStore> {
    const dir = await findFolder(place, []).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (dir === undefined) throw noSuchLsu([place.lsu, ...(place.inside ?? [])].join('/'));
    await dir.close();
    return new FileStore({ place, retrier: this.#retrier, directIo: this.#directIo, closed: this.#closed.signal });
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }
}
