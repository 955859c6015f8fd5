import { EngineError } from '../errors.ts';
import type { Chunk } from '../pipeline/chunk.ts';
import { type Lease, LeaseScope, noLease, shareLease } from '../pipeline/lease.ts';

/** Most chunks that may wait for an earlier one; the protocol's bound on slots. */
const MAX_WAITING = 4096;

/** The image's last, short chunk. It goes out only when the image is closed, so that chunk boundaries stay fixed until then. */
export interface FinalChunk {
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface SlotFeedOptions {
  readonly chunkBytes: number;
  /** Chunks below this one are in storage already although they may be handed over again: they are released at once. */
  readonly known: number;
  /** The last of these is the image's short last one. */
  readonly knownLast: boolean;
  /** Somebody may look at chunks when they are stored already: their memory stays until the chain has let go of it as well. */
  readonly watched: boolean;
  /** Hand a chunk to the chain; resolves when it has room for more. */
  readonly write: (chunk: Chunk) => Promise<void>;
  /** Called when a chunk has been handed on and none is ready to follow. */
  readonly onIdle: () => void;
}

/**
 * Takes chunks in any order and feeds the chain in the order of their numbers. It keeps the source's leases: a chunk's memory must stay as
 * it is until storage has it, whatever the chain has made of it, because another process may have to begin again with it.
 */
export class SlotFeed {
  readonly #options: SlotFeedOptions;
  readonly #waiting = new Map<number, Uint8Array>();
  readonly #leases = new Map<number, { readonly ours: Lease; readonly chain: Lease }>();
  /** What the chain holds. */
  readonly #lent = new LeaseScope();
  #next: number;
  #last: number | undefined;
  #final: FinalChunk | undefined;
  #ended = false;
  #broken = false;
  #pumping: Promise<void> | undefined;

  constructor(options: SlotFeedOptions) {
    this.#options = options;
    this.#next = options.known;
    if (options.knownLast) this.#last = options.known - 1;
  }

  /** The first chunk that has not been handed to the chain. */
  get next(): number {
    return this.#next;
  }

  /** The chain did not take a chunk. */
  get broken(): boolean {
    return this.#broken;
  }

  /** End of the chunks that were handed over without a gap. */
  get ready(): number {
    let end = this.#next;
    while (this.#waiting.has(end)) end += 1;
    return end;
  }

  /** The last, short chunk, when nothing is missing before it. */
  get final(): FinalChunk | undefined {
    return this.#final?.index === this.#next ? this.#final : undefined;
  }

  /** Chunks that wait for an earlier one are there. */
  get gap(): boolean {
    return this.#waiting.size > 0 || (this.#final !== undefined && this.#final.index !== this.#next);
  }

  /** Throws class `usage` for a chunk that cannot be; its lease is then the caller's. */
  put(index: number, bytes: Uint8Array, last: boolean, lease: Lease): void {
    if (Number.isSafeInteger(index) && index >= 0 && index < this.#options.known) {
      lease.release();
      return;
    }
    this.#check(index, bytes, last);
    this.#leases.set(index, this.#options.watched ? this.#shared(lease) : { ours: lease, chain: noLease });
    if (last) this.#last = index;
    if (last && bytes.byteLength < this.#options.chunkBytes) this.#final = { index, bytes };
    else this.#waiting.set(index, bytes);
    this.#pumping ??= this.#pump();
  }

  /** Hand the last chunk to the chain as well. */
  async feedFinal(): Promise<void> {
    const final = this.#final;
    if (final === undefined) return;
    this.#final = undefined;
    this.#waiting.set(final.index, final.bytes);
    this.#pumping ??= this.#pump();
    await this.#pumping;
  }

  /** Wait until nothing is on its way to the chain. Does not throw: an error is the chain's. */
  async settled(): Promise<void> {
    await this.#pumping;
  }

  /** Chunks below `end` are safe in storage. */
  release(end: number): void {
    for (const [index, { ours }] of this.#leases) {
      if (index >= end) continue;
      this.#leases.delete(index);
      ours.release();
    }
  }

  /** Nothing is handed on any more; what is left is released. */
  end(): void {
    this.#ended = true;
    this.#waiting.clear();
    this.#final = undefined;
    this.release(Number.POSITIVE_INFINITY);
    this.#lent.releaseAll();
  }

  #check(index: number, bytes: Uint8Array, last: boolean): void {
    const { chunkBytes } = this.#options;
    const bad = (code: string, what: string): EngineError =>
      new EngineError(code, 'usage', `chunk ${index} ${what}`, { details: { chunk: index } });
    if (this.#ended) throw bad('VOST_HANDLE_ENDED', 'was handed over after the end');
    if (!Number.isSafeInteger(index * chunkBytes) || index < 0) throw bad('VOST_OFFSET', 'is none');
    if (index < this.#next || this.#leases.has(index)) throw bad('VOST_SEALED', 'was handed over before');
    const { byteLength } = bytes;
    if (byteLength !== chunkBytes && !(last && byteLength > 0 && byteLength < chunkBytes))
      throw bad('VOST_CHUNK_LENGTH', `has ${byteLength} bytes where ${chunkBytes} were due`);
    const highest = Math.max(-1, ...this.#leases.keys());
    if (
      (this.#last !== undefined && (last || index > this.#last)) ||
      (last && index < Math.max(highest, this.#next - 1))
    )
      throw bad('VOST_LAST_CHUNK', 'and a last one before it do not agree');
    if (this.#leases.size >= MAX_WAITING) throw bad('VOST_WINDOW', `is one of too many that wait`);
  }

  #shared(lease: Lease): { readonly ours: Lease; readonly chain: Lease } {
    const [ours, chain] = shareLease(lease, 2) as [Lease, Lease];
    return { ours, chain: this.#lent.add(() => chain.release()) };
  }

  async #pump(): Promise<void> {
    // What follows never runs inside `put`, so that it always ends after `#pumping` was set.
    await undefined;
    try {
      for (let bytes = this.#waiting.get(this.#next); bytes !== undefined; bytes = this.#waiting.get(this.#next)) {
        const index = this.#next;
        this.#waiting.delete(index);
        this.#next += 1;
        const offset = index * this.#options.chunkBytes;
        const { chain: lease } = this.#leases.get(index) as { readonly chain: Lease };
        await this.#options.write({ index, offset, length: bytes.byteLength, pieces: [bytes], lease });
      }
    } catch {
      // The chain has failed and says so itself.
      this.#broken = true;
    } finally {
      this.#pumping = undefined;
    }
    this.#options.onIdle();
  }
}
