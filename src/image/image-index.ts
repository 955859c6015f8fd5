import type { EngineError } from '../errors.ts';
import type { IdleCache } from '../pipeline/idle-cache.ts';
import type { StoredChunk } from '../stages/packer.ts';
import type { ObjectStore } from '../vast/store.ts';
import { decodeFooter, MAX_FOOTER_BYTES, type PageRef } from './index-file.ts';
import { bad, IndexRun, RUN_BYTES, runsOf, startOf } from './index-run.ts';
import type { Manifest } from './manifest.ts';
import { indexName } from './needed-objects.ts';
import { SharedLoad } from './shared-load.ts';

/** What of an image's manifest its index is read by. */
type Indexed = Pick<Manifest, 'size' | 'fragments' | 'index'>;

/** What the footer of an index leads to. */
interface Contents {
  readonly pages: readonly PageRef[];
  readonly runs: ReturnType<typeof runsOf>;
}

/**
 * The index of one complete image, of which as much is read as ranges want: a short one whole with one request, a long one in runs of pages.
 * Everything it hands out has been checked against the manifest: digests, contiguity, and that stored ranges lie inside their fragments.
 */
export class ImageIndex {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #manifest: Indexed;
  readonly #bound: (length: number) => number;
  readonly #cache: IdleCache;
  #footer: SharedLoad<Contents> | undefined;
  /** What was used last stays, whatever becomes of the cache: a reader that goes on reads no page twice. */
  #last: { readonly name: string; readonly run: IndexRun } | undefined;

  /**
   * @param cache keeps pages for whoever reads the same index again.
   * @param bound the most stored bytes that the image's chain makes of a chunk of that length.
   */
  constructor(
    store: ObjectStore,
    prefix: string,
    manifest: Indexed,
    cache: IdleCache,
    bound: (length: number) => number,
  ) {
    this.#store = store;
    this.#key = `${prefix}${indexName(manifest)}`;
    this.#manifest = manifest;
    this.#cache = cache;
    this.#bound = bound;
  }

  /** The chunks that hold logical bytes [start, end), in order. */
  async *chunks(start: number, end: number, signal?: AbortSignal): AsyncGenerator<StoredChunk> {
    if (start >= end) return;
    const { pages, runs } = await this.#loadFooter(signal);
    for (let at = lastNotAfter(pages, start); at < pages.length; at += 1) {
      const page = pages[at] as PageRef;
      if (page.firstOffset >= end) return;
      for (const chunk of await this.#loadPage(page, runs.get(page) ?? [page], signal)) {
        if (chunk.offset >= end) return;
        if (chunk.offset + chunk.length <= start) continue;
        this.#checkPlace(chunk);
        yield chunk;
      }
    }
  }

  #loadFooter(signal: AbortSignal | undefined): Promise<Contents> {
    if (this.#footer === undefined || this.#footer.failed)
      this.#footer = new SharedLoad((shared) => this.#readFooter(shared));
    return this.#footer.get(signal);
  }

  async #readFooter(signal: AbortSignal | undefined): Promise<Contents> {
    const { size, footer: length, sha256 } = this.#manifest.index;
    if (length > size || length > MAX_FOOTER_BYTES) throw this.#bad(`a footer of ${length} bytes`);
    // What is short is read whole: one way to the storage and back instead of two.
    const from = size <= RUN_BYTES ? 0 : size - length;
    const bytes = await this.#read(from, size, signal);
    const footer = decodeFooter(bytes.subarray(bytes.byteLength - length), sha256, this.#key);
    if (footer.size !== this.#manifest.size)
      throw this.#bad(`an image size of ${footer.size} where the manifest says ${this.#manifest.size}`);
    const { pages } = footer;
    const last = pages.at(-1);
    if (last !== undefined && last.position + last.length > size - length)
      throw this.#bad('pages that reach into the footer');
    if (from === 0 && last !== undefined) this.#keep(this.#nameOf(pages), pages, () => Promise.resolve(bytes));
    return { pages, runs: runsOf(pages) };
  }

  async #loadPage(
    page: PageRef,
    together: readonly PageRef[],
    signal: AbortSignal | undefined,
  ): Promise<StoredChunk[]> {
    const name = this.#nameOf(together);
    const known = this.#last?.name === name ? this.#last.run : this.#cache.get(name);
    const run = known instanceof IndexRun && !known.failed ? known : this.#loadRun(name, together);
    this.#last = { name, run };
    try {
      return await run.page(page, this.#where, signal);
    } catch (error) {
      // What another reader waits for goes on; what is corrupt is read again by whoever wants it next.
      if (!signal?.aborted) {
        if (this.#cache.get(name) === run) this.#cache.delete(name);
        if (this.#last?.run === run) this.#last = undefined;
      }
      throw error;
    }
  }

  #loadRun(name: string, pages: readonly PageRef[]): IndexRun {
    const last = pages.at(-1) as PageRef;
    return this.#keep(name, pages, (shared) => this.#read(startOf(pages), last.position + last.length, shared));
  }

  #keep(name: string, pages: readonly PageRef[], load: (signal: AbortSignal) => Promise<Uint8Array>): IndexRun {
    const run = new IndexRun(pages, new SharedLoad(load));
    this.#cache.set(name, run);
    return run;
  }

  async #read(from: number, end: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - from);
    await this.#store.read(this.#key, from, bytes, { signal });
    return bytes;
  }

  /** Of pages that are read together, in the cache: the digest says what is in them, the rest from where it comes. */
  #nameOf(pages: readonly PageRef[]): string {
    return `${this.#where} ${this.#manifest.index.sha256} ${startOf(pages)}`;
  }

  get #where(): string {
    return `${this.#store.lsu}/${this.#key}`;
  }

  #checkPlace(chunk: StoredChunk): void {
    const fragment = this.#manifest.fragments[chunk.fragment - 1];
    if (fragment === undefined || chunk.storedOffset + chunk.storedLength > fragment.size) {
      throw this.#bad(`chunk ${chunk.index} outside its fragment`);
    }
    if (chunk.storedLength > this.#bound(chunk.length))
      throw this.#bad(`chunk ${chunk.index} larger than its stages can make it`);
  }

  #bad(what: string): EngineError {
    return bad(this.#where, what);
  }
}

/** Position of the last page that begins at or before `offset`. */
function lastNotAfter(pages: readonly PageRef[], offset: number): number {
  let low = 0;
  let high = pages.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((pages[middle] as PageRef).firstOffset <= offset) low = middle;
    else high = middle;
  }
  return low;
}
