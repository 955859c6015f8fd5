import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobWriter } from './blob-writer.ts';
import type { Segment } from './records.ts';

/**
 * Immutable byte strings in files with random names, counted by who refers to them. A blob without
 * a reference is removed; blobs that a crash left behind are swept at the next start.
 */
export class BlobStore {
  readonly #dir: string;
  readonly #references = new Map<string, number>();
  readonly #removals = new Set<Promise<void>>();
  /** While journals are read one after the other, a count of 0 may only mean that a later one was not read yet. */
  #loading = true;

  constructor(dir: string) {
    this.#dir = dir;
    for (let i = 0; i < 256; i += 1) mkdirSync(join(dir, i.toString(16).padStart(2, '0')), { recursive: true });
  }

  /** Where a blob lies. Ids come from {@link create} or from our own journal, never from a request. */
  path(blob: string): string {
    return join(this.#dir, blob.slice(0, 2), blob);
  }

  /** Begin a blob. End it with `finish` or `discard`. */
  async create(): Promise<BlobWriter> {
    const blob = randomBytes(16).toString('hex');
    return new BlobWriter(this, blob, await open(this.path(blob), 'wx', 0o600));
  }

  retain(segments: readonly Segment[]): void {
    for (const { blob } of segments) this.#references.set(blob, (this.#references.get(blob) ?? 0) + 1);
  }

  release(segments: readonly Segment[]): void {
    for (const { blob } of segments) {
      const left = (this.#references.get(blob) ?? 1) - 1;
      if (left > 0) {
        this.#references.set(blob, left);
      } else {
        this.#references.delete(blob);
        this.remove(blob);
      }
    }
  }

  /** All journals are read: remove every file that nothing refers to. Call it before the first write. */
  async sweep(): Promise<void> {
    this.#loading = false;
    for (const folder of await readdir(this.#dir)) {
      for (const blob of await readdir(join(this.#dir, folder))) {
        if (!this.#references.has(blob)) this.remove(blob);
      }
    }
    await this.settled();
  }

  /** Resolves when every removal begun so far is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#removals);
  }

  /** Remove a blob that nothing refers to. */
  remove(blob: string): void {
    if (this.#loading) return;
    // A file that cannot be removed stays until the next start sweeps it.
    const removal: Promise<void> = rm(this.path(blob), { force: true })
      .catch(() => undefined)
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}
