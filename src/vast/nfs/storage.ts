import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkSignal } from '../body.ts';
import type { FlowControl } from '../flow/flow-control.ts';
import { checkLsu, isDirectoryLsu, SNAPSHOTS } from '../names.ts';
import { Retrier, type RetrierOptions } from '../retry.ts';
import type { ObjectStore, RequestOptions, Storage } from '../store.ts';
import { lsuExists, noSuchLsu, storageClosed } from '../store-errors.ts';
import { CallGate, type CallStatus } from './call-gate.ts';
import { callShare } from './call-share.ts';
import { errnoOf, fileError } from './classify.ts';
import { Files, type Space } from './files.ts';
import { checkMount } from './mount.ts';
import { FileStore } from './store.ts';
import { during, entryPath, findFolder, type LsuPlace } from './walk.ts';

export interface FileStorageOptions extends Omit<RetrierOptions, 'refresh'> {
  /** Whether large aligned writes bypass the page cache where the file system allows. Default true. */
  readonly directIo?: boolean;
  /** The directory itself is the LSU of this name, and the only one. Default: its subdirectories are the LSUs. */
  readonly only?: string | undefined;
  /** The path of an NFS server that the directory must be. Default: it may be anything. */
  readonly exported?: string | undefined;
  /** System calls in flight at the same time. Default: as if this were the only directory of the process. */
  readonly calls?: number | undefined;
  /** What is mounted, as in /proc/self/mountinfo. Default: that. */
  readonly mountinfo?: (() => Promise<string>) | undefined;
}

/** A directory (local or an NFS mount) whose subdirectories are LSUs, or that is one. */
export class FileStorage implements Storage {
  readonly name: string;
  readonly flow: FlowControl | undefined;
  readonly #root: string;
  readonly #options: FileStorageOptions;
  readonly #retrier: Retrier;
  readonly #gate: CallGate;
  readonly #files: Files;
  readonly #closed = new AbortController();
  #verifying: Promise<void> | undefined;

  /** @param root absolute path of an existing directory */
  constructor(root: string, options: FileStorageOptions = {}) {
    this.#root = root;
    this.name = `file:${root}`;
    this.flow = options.flow;
    this.#retrier = new Retrier({ ...options, service: 'file' });
    this.#options = options;
    this.#gate = new CallGate(options.calls ?? callShare(1));
    this.#files = new Files(this.#gate);
  }

  calls(): CallStatus {
    return this.#gate.status();
  }

  /** Takes one system call, never a listing. */
  async space(): Promise<Space> {
    try {
      return await this.#files.space(this.#root);
    } catch (error) {
      throw fileError(error, `ask for the space of ${this.#root}`);
    }
  }

  async #run<T>(operation: string, options: RequestOptions, work: () => Promise<T>): Promise<T> {
    // A missing mount is not waited for: whoever asks may have better things to do, or another server.
    if (!this.#closed.signal.aborted) await this.verify();
    return this.#retrier.run({ operation, signal: options.signal }, async () => {
      if (this.#closed.signal.aborted) throw storageClosed(this.name);
      try {
        return await work();
      } catch (error) {
        throw fileError(error, `${operation} ${this.#root}`);
      }
    });
  }

  /** One look at a time: however many ask about a mount that hangs, they hold one thread. */
  async verify(): Promise<void> {
    const { exported, mountinfo } = this.#options;
    if (exported === undefined) return;
    this.#verifying ??= checkMount(this.#root, exported, mountinfo, (path) => this.#files.realpath(path)).finally(
      () => {
        this.#verifying = undefined;
      },
    );
    await this.#verifying;
  }

  async lsus(options: RequestOptions = {}): Promise<string[]> {
    const { only } = this.#options;
    return this.#run('list LSUs of', options, async () => {
      if (only !== undefined) return [only];
      const names: string[] = [];
      for await (const entry of this.#files.until(options.signal).entries(this.#root)) {
        checkSignal(options.signal);
        if (isDirectoryLsu(entry.name) && entry.isDirectory()) names.push(entry.name);
      }
      return names.sort();
    });
  }

  async createLsu(lsu: string, options: RequestOptions = {}): Promise<void> {
    const { directory } = this.#placeOf(lsu);
    await this.#run('create LSU in', options, async () => {
      try {
        await this.#files.mkdir(directory, 0o750);
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') throw lsuExists(lsu, error);
        throw error;
      }
      await using parent = await this.#files.open(dirname(directory), constants.O_RDONLY);
      await parent.sync();
    });
  }

  async open(lsu: string, options: RequestOptions = {}): Promise<ObjectStore> {
    const place = this.#placeOf(lsu);
    return this.#run('open LSU in', options, () =>
      this.#openAt(place, options.signal, (other) => this.#placeOf(other)),
    );
  }

  async snapshots(lsu: string, options: RequestOptions = {}): Promise<string[]> {
    const place = during(this.#placeOf(lsu), options.signal);
    return this.#run('list snapshots in', options, async () => {
      await this.#find(place);
      const names: string[] = [];
      // The policy of the view may hide the folder; it need not be there.
      const found = await findFolder(place, [SNAPSHOTS]);
      if (found === undefined) return names;
      await using folder = found;
      for await (const { name } of folder.files.entries(entryPath(folder, '.'))) {
        checkSignal(options.signal);
        if (isDirectoryLsu(name)) names.push(name);
      }
      return names.sort();
    });
  }

  async openSnapshot(lsu: string, snapshot: string, options: RequestOptions = {}): Promise<ObjectStore> {
    const place = this.#placeOf(lsu);
    const placeOf = (name: string): LsuPlace => {
      checkLsu(name, isDirectoryLsu);
      return { lsu: name, directory: place.directory, inside: [SNAPSHOTS, name], files: this.#files };
    };
    checkLsu(snapshot, isDirectoryLsu);
    return this.#run('open a snapshot in', options, async () => {
      await this.#find(during(place, options.signal));
      return this.#openAt(placeOf(snapshot), options.signal, placeOf);
    });
  }

  #placeOf(lsu: string): LsuPlace {
    const { only } = this.#options;
    checkLsu(lsu, isDirectoryLsu);
    if (only === undefined) return { lsu, directory: join(this.#root, lsu), files: this.#files };
    if (lsu !== only) throw noSuchLsu(lsu);
    return { lsu, directory: this.#root, files: this.#files };
  }

  async #find(place: LsuPlace): Promise<void> {
    const dir = await findFolder(place, []).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (dir === undefined) throw noSuchLsu(place.lsu);
    await dir.close();
  }

  async #openAt(
    place: LsuPlace,
    signal: AbortSignal | undefined,
    placeOf: (lsu: string) => LsuPlace,
  ): Promise<FileStore> {
    await this.#find(during(place, signal));
    const { directIo = true } = this.#options;
    return new FileStore({ place, placeOf, retrier: this.#retrier, directIo, closed: this.#closed.signal });
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }
}
