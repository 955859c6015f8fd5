import { createHash } from 'node:crypto';
import { DIGEST_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { TreeHash } from '../stages/tree-hash.ts';
import type { ObjectStore } from '../vast/store.ts';
import { encodeFooter, INDEX_HEADER, type PageRef } from './index-file.ts';
import { encodePage, entryBytes, PAGE_TARGET_BYTES } from './index-page.ts';
import { INDEX, journalName } from './names.ts';

/** Pages kept in memory; older ones are stored as journal objects, so that an image of any size needs little memory. */
const PAGES_IN_MEMORY = 4;

interface Page {
  readonly ref: PageRef;
  /** Absent once the page has been stored as a journal object. */
  bytes: Uint8Array | undefined;
}

/** What the manifest says about a finished index. */
export interface IndexSummary {
  readonly size: number;
  readonly footer: number;
  readonly sha256: string;
}

/**
 * Gathers the chunks that storage has acknowledged, in any order, into index pages, and writes the index when
 * the image is complete. It also keeps the tree hash over all leaves.
 */
export class IndexWriter {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #tree = new TreeHash();
  /** Acknowledged out of order: waiting for earlier chunks. */
  readonly #early = new Map<number, StoredChunk>();
  readonly #pages: Page[] = [];
  #current: StoredChunk[] = [];
  #currentBytes = 0;
  #next = 0;
  #size = 0;

  /** @param prefix of the image's keys. */
  constructor(store: ObjectStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** Chunks without a gap from the first one. */
  get chunks(): number {
    return this.#next;
  }

  /** Logical bytes of {@link chunks}. */
  get size(): number {
    return this.#size;
  }

  /** Root of the tree hash over {@link chunks}. */
  get root(): Uint8Array {
    return this.#tree.root();
  }

  /** Take in acknowledged chunks. Resolves when the memory they need is bounded again. */
  async add(chunks: readonly StoredChunk[], signal?: AbortSignal): Promise<void> {
    for (const chunk of chunks) this.#early.set(chunk.index, chunk);
    for (let chunk = this.#early.get(this.#next); chunk !== undefined; chunk = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      this.#next += 1;
      this.#size += chunk.length;
      this.#tree.push(chunk.leaves);
      this.#current.push(chunk);
      this.#currentBytes += entryBytes(chunk);
      if (this.#currentBytes >= PAGE_TARGET_BYTES) this.#endPage();
    }
    await this.#spill(signal);
  }

  /** Write the index object. Every chunk added must have found its place. */
  async write(signal?: AbortSignal): Promise<IndexSummary> {
    if (this.#early.size > 0)
      throw new EngineError('VOST_LOST_CHUNK', 'internal', `chunk ${this.#next} was never acknowledged`);
    if (this.#current.length > 0) this.#endPage();
    const footer = encodeFooter({ size: this.#size, pages: this.#pages.map(({ ref }) => ref) });
    const key = `${this.#prefix}${INDEX}`;
    const size =
      INDEX_HEADER.byteLength + this.#pages.reduce((sum, { ref }) => sum + ref.length, 0) + footer.byteLength;
    const inMemory = this.#pages.flatMap(({ bytes }) => bytes ?? []);
    const info =
      inMemory.length === this.#pages.length
        ? await this.#store.put(key, [INDEX_HEADER, ...inMemory, footer], { signal })
        : await this.#store.putStream(key, this.#stream(footer, signal), { signal });
    if (info.size !== size) {
      throw new EngineError(
        'VOST_BAD_INDEX',
        'integrity',
        `the index was stored with ${info.size} bytes instead of ${size}`,
      );
    }
    return { size, footer: footer.byteLength, sha256: createHash('sha256').update(footer).digest('hex') };
  }

  /** Names of the journal objects that hold pages, to be deleted once the image is committed. */
  get journalNames(): string[] {
    return this.#pages.flatMap(({ bytes }, nth) => (bytes === undefined ? journalName(nth + 1) : []));
  }

  #endPage(): void {
    const bytes = encodePage(this.#current);
    const [first] = this.#current as [StoredChunk];
    const last = this.#pages.at(-1)?.ref;
    this.#pages.push({
      bytes,
      ref: {
        position: last === undefined ? INDEX_HEADER.byteLength : last.position + last.length,
        length: bytes.byteLength,
        firstIndex: first.index,
        firstOffset: first.offset,
        chunks: this.#current.length,
        digest: bytes.slice(-DIGEST_BYTES),
      },
    });
    this.#current = [];
    this.#currentBytes = 0;
  }

  async #spill(signal: AbortSignal | undefined): Promise<void> {
    const inMemory = this.#pages.filter(({ bytes }) => bytes !== undefined);
    for (const page of inMemory.slice(0, -PAGES_IN_MEMORY)) {
      const { bytes } = page;
      // Two parts may be acknowledged while a page is on its way: whoever comes first stores it.
      if (bytes === undefined) continue;
      page.bytes = undefined;
      await this.#store.put(`${this.#prefix}${journalName(this.#pages.indexOf(page) + 1)}`, [bytes], { signal });
    }
  }

  async *#stream(footer: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    yield INDEX_HEADER;
    for (const [nth, { bytes, ref }] of this.#pages.entries()) {
      yield bytes ?? (await this.#readBack(nth, ref, signal));
    }
    yield footer;
  }

  async #readBack(nth: number, ref: PageRef, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const name = journalName(nth + 1);
    const page = Buffer.alloc(ref.length);
    await this.#store.read(`${this.#prefix}${name}`, 0, page, { signal });
    const digest = createHash('sha256').update(page.subarray(0, -DIGEST_BYTES)).digest();
    if (!digest.equals(page.subarray(-DIGEST_BYTES)) || !digest.equals(ref.digest)) {
      throw new EngineError(
        'VOST_BAD_INDEX',
        'integrity',
        `${this.#prefix}${name} changed while the image was being written`,
      );
    }
    return page;
  }
}
