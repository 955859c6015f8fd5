/** The system calls of the directory store. All of them pass a gate. */
import type { BigIntStats, Dirent } from 'node:fs';
import * as fs from 'node:fs/promises';
import type { CallGate } from './call-gate.ts';

/** Bytes of a file system. */
export interface Space {
  readonly total: bigint;
  readonly used: bigint;
}

/** An open file or directory. */
export class OpenFile implements AsyncDisposable {
  readonly files: Files;
  readonly #handle: fs.FileHandle;

  constructor(files: Files, handle: fs.FileHandle) {
    this.files = files;
    this.#handle = handle;
  }

  get fd(): number {
    return this.#handle.fd;
  }

  stat(): Promise<BigIntStats> {
    return this.files.call(() => this.#handle.stat({ bigint: true }));
  }

  /** @returns bytes read; 0 at the end of the file */
  async read(into: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return (await this.files.call(() => this.#handle.read(into, offset, length, position))).bytesRead;
  }

  /** @returns bytes written */
  async writev(pieces: readonly Uint8Array[], position: number): Promise<number> {
    return (await this.files.call(() => this.#handle.writev(pieces, position))).bytesWritten;
  }

  append(text: string): Promise<void> {
    return this.files.call(() => this.#handle.appendFile(text));
  }

  truncate(bytes: number): Promise<void> {
    return this.files.call(() => this.#handle.truncate(bytes));
  }

  /** fsync(2). */
  sync(): Promise<void> {
    return this.files.call(() => this.#handle.sync());
  }

  /** fdatasync(2). */
  datasync(): Promise<void> {
    return this.files.call(() => this.#handle.datasync());
  }

  /** Whoever has given up does not wait for a directory that hangs; the descriptor goes when it is back. */
  async close(): Promise<void> {
    const closed = this.files.close(this.#handle);
    if (!this.files.givenUp) await closed;
    else closed.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The file system as one directory store uses it. */
export class Files {
  readonly #gate: CallGate;
  readonly #signal: AbortSignal | undefined;

  /** @param signal ends calls that wait for a place at the gate; those in the kernel cannot be ended. */
  constructor(gate: CallGate, signal?: AbortSignal) {
    this.#gate = gate;
    this.#signal = signal;
  }

  /** The same, for one request. */
  until(signal: AbortSignal | undefined): Files {
    return signal === undefined ? this : new Files(this.#gate, signal);
  }

  /** Whether the request is over, and calls would have to wait. */
  get givenUp(): boolean {
    return this.#signal?.aborted === true && this.#gate.full;
  }

  call<T>(work: () => Promise<T>): Promise<T> {
    return this.#gate.run(work, this.#signal);
  }

  /** A descriptor is closed sooner or later, whatever the signal says. */
  close(handle: { close(): Promise<void> }): Promise<void> {
    return this.#gate.run(() => handle.close());
  }

  /** @param mode of a file that is made */
  async open(path: string, flags: number, mode?: number): Promise<OpenFile> {
    return new OpenFile(this, await this.call(() => fs.open(path, flags, mode)));
  }

  lstat(path: string): Promise<BigIntStats> {
    return this.call(() => fs.lstat(path, { bigint: true }));
  }

  realpath(path: string): Promise<string> {
    return this.call(() => fs.realpath(path));
  }

  async mkdir(path: string, mode: number): Promise<void> {
    await this.call(() => fs.mkdir(path, mode));
  }

  rmdir(path: string): Promise<void> {
    return this.call(() => fs.rmdir(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.call(() => fs.rename(from, to));
  }

  unlink(path: string): Promise<void> {
    return this.call(() => fs.unlink(path));
  }

  /** @param mode COPYFILE_… */
  copyFile(from: string, to: string, mode: number): Promise<void> {
    return this.call(() => fs.copyFile(from, to, mode));
  }

  /** The entries of a directory, in no order. */
  async *entries(path: string, bufferSize = 32): AsyncGenerator<Dirent, undefined> {
    const dir = await this.call(() => fs.opendir(path, { bufferSize }));
    try {
      for (;;) {
        const entry = await this.call(() => dir.read());
        if (entry === null) return;
        yield entry;
      }
    } finally {
      const closed = this.close(dir);
      if (!this.givenUp) await closed;
      else closed.catch(() => undefined);
    }
  }

  /** How full the file system is. */
  async space(path: string): Promise<Space> {
    const { bsize, blocks, bavail } = await this.call(() => fs.statfs(path, { bigint: true }));
    return { total: bsize * blocks, used: bsize * (blocks - bavail) };
  }
}
