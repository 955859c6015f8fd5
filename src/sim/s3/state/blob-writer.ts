import type { FileHandle } from 'node:fs/promises';
import type { BlobStore } from './blob-store.ts';
import type { Segment } from './records.ts';

/** A write goes to disk once this much has come together, bytes. */
const BATCH_BYTES = 1024 * 1024;

/** Writes one blob, front to back; end it with `finish` or `discard`. */
export class BlobWriter {
  readonly #store: BlobStore;
  readonly #blob: string;
  readonly #file: FileHandle;
  #batch: Uint8Array[] = [];
  #batched = 0;
  #length = 0;

  constructor(store: BlobStore, blob: string, file: FileHandle) {
    this.#store = store;
    this.#blob = blob;
    this.#file = file;
  }

  /** The piece must not change until `finish`. */
  async write(piece: Uint8Array): Promise<void> {
    this.#batch.push(piece);
    this.#batched += piece.length;
    this.#length += piece.length;
    if (this.#batched >= BATCH_BYTES) await this.#flush();
  }

  /** The blob's bytes, with one reference that belongs to the caller. On an error call `discard`. */
  async finish(): Promise<Segment[]> {
    await this.#flush();
    await this.#file.close();
    const segments = [{ blob: this.#blob, offset: 0, length: this.#length }];
    this.#store.retain(segments);
    return segments;
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    this.#store.remove(this.#blob);
  }

  async #flush(): Promise<void> {
    let batch = this.#batch;
    this.#batch = [];
    this.#batched = 0;
    while (batch.length > 0) {
      const { bytesWritten } = await this.#file.writev(batch);
      batch = dropFront(batch, bytesWritten);
    }
  }
}

/** What is left of the pieces after their first `bytes` bytes. */
function dropFront(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = bytes;
  for (const piece of pieces) {
    if (skip >= piece.length) {
      skip -= piece.length;
    } else {
      left.push(skip === 0 ? piece : piece.subarray(skip));
      skip = 0;
    }
  }
  return left;
}
