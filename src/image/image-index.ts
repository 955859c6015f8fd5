import { EngineError } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import type { ObjectStore } from '../vast/store.ts';
import { decodeFooter, type Footer, INDEX_HEADER, MAX_FOOTER_BYTES, type PageRef } from './index-file.ts';
import { decodePage } from './index-page.ts';
import type { Manifest } from './manifest.ts';
import { indexName } from './needed-objects.ts';
import { SharedLoad } from './shared-load.ts';

/** Decoded pages kept at hand; a page covers some 16 GiB of a default image. */
const CACHED_PAGES = 4;

/**
 * The index of one complete image, read page by page as ranges are wanted. Everything it hands out has
 * been checked against the manifest: digests, contiguity, and that stored ranges lie inside their fragments.
 */
export class ImageIndex {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #manifest: Manifest;
  readonly #bound: (length: number) => number;
  #footer: SharedLoad<Footer> | undefined;
  /** Most recently used last. */
  readonly #pages = new Map<number, SharedLoad<StoredChunk[]>>();

  /** @param bound the most stored bytes that the image's chain makes of a chunk of that length. */
  constructor(store: ObjectStore, prefix: string, manifest: Manifest, bound: (length: number) => number) {
    this.#store = store;
    this.#key = `${prefix}${indexName(manifest)}`;
    this.#manifest = manifest;
    this.#bound = bound;
  }

  /** The chunks that hold logical bytes [start, end), in order. */
  async *chunks(start: number, end: number, signal?: AbortSignal): AsyncGenerator<StoredChunk> {
    if (start >= end) return;
    const { pages } = await this.#loadFooter(signal);
    for (let at = lastNotAfter(pages, start); at < pages.length; at += 1) {
      const ref = pages[at] as PageRef;
      if (ref.firstOffset >= end) return;
      for (const chunk of await this.#loadPage(at, ref, signal)) {
        if (chunk.offset >= end) return;
        if (chunk.offset + chunk.length > start) yield chunk;
      }
    }
  }

  #loadFooter(signal: AbortSignal | undefined): Promise<Footer> {
    if (this.#footer === undefined || this.#footer.failed)
      this.#footer = new SharedLoad((shared) => this.#readFooter(shared));
    return this.#footer.get(signal);
  }

  async #readFooter(signal: AbortSignal | undefined): Promise<Footer> {
    const { size, footer: length, sha256 } = this.#manifest.index;
    if (length > size || length > MAX_FOOTER_BYTES) throw this.#bad(`a footer of ${length} bytes`);
    const bytes = new Uint8Array(length);
    await this.#store.read(this.#key, size - length, bytes, { signal });
    const footer = decodeFooter(bytes, sha256, this.#key);
    if (footer.size !== this.#manifest.size)
      throw this.#bad(`an image size of ${footer.size} where the manifest says ${this.#manifest.size}`);
    const last = footer.pages.at(-1);
    if (last !== undefined && last.position + last.length > size - length)
      throw this.#bad('pages that reach into the footer');
    return footer;
  }

  #loadPage(at: number, ref: PageRef, signal: AbortSignal | undefined): Promise<StoredChunk[]> {
    let page = this.#pages.get(at);
    this.#pages.delete(at);
    if (page === undefined || page.failed) page = new SharedLoad((shared) => this.#readPage(ref, shared));
    this.#pages.set(at, page);
    if (this.#pages.size > CACHED_PAGES) this.#pages.delete(this.#pages.keys().next().value as number);
    return page.get(signal);
  }

  async #readPage(ref: PageRef, signal: AbortSignal | undefined): Promise<StoredChunk[]> {
    // The first page is read together with the header before it, which so gets checked at no cost.
    const header = ref.firstIndex === 0 ? INDEX_HEADER.byteLength : 0;
    const read = new Uint8Array(header + ref.length);
    await this.#store.read(this.#key, ref.position - header, read, { signal });
    if (Buffer.compare(read.subarray(0, header), INDEX_HEADER.subarray(0, header)) !== 0)
      throw this.#bad('no index header');
    const bytes = read.subarray(header);
    const chunks = decodePage(bytes, this.#key);
    if (Buffer.compare(bytes.subarray(-ref.digest.byteLength), ref.digest) !== 0)
      throw this.#bad('a page that is not the one the footer names');
    const [first] = chunks;
    if (chunks.length !== ref.chunks || first?.index !== ref.firstIndex || first.offset !== ref.firstOffset) {
      throw this.#bad('a page that does not begin where the footer says');
    }
    for (const chunk of chunks) this.#checkPlace(chunk);
    return chunks;
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
    return new EngineError('VOST_BAD_INDEX', 'integrity', `${this.#store.lsu}/${this.#key} has ${what}`);
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
