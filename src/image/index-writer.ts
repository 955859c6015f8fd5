import { createHash } from 'node:crypto';
import { DIGEST_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { TreeHash } from '../stages/tree-hash.ts';
import type { ObjectStore } from '../vast/store.ts';
import { encodeFooter, INDEX_HEADER, type PageRef } from './index-file.ts';
import { encodePage, entryBytes, PAGE_TARGET_BYTES } from './index-page.ts';
import {
  decodeJournalObject,
  encodeParts,
  type JournalObject,
  MAX_JOURNAL_BYTES,
  type StoredPart,
} from './journal-object.ts';
import { ObjectNames } from './object-names.ts';
import { readRecord } from './read-record.ts';

/** Pages kept in memory; older ones are stored as journal objects, so that an image of any size needs little memory. */
const PAGES_IN_MEMORY = 4;

interface Page {
  readonly ref: PageRef;
  /** Absent once the page has been stored as a journal object. */
  content: { readonly bytes: Uint8Array; readonly parts: readonly StoredPart[] } | undefined;
}

/** What the manifest says about a finished index. */
export interface IndexSummary {
  readonly size: number;
  readonly footer: number;
  readonly sha256: string;
  /** Of the object, where it is not `index`. */
  readonly name?: string;
}

/**
 * Gathers the chunks that storage has acknowledged, in order, into index pages, and writes the index when the image is complete. It also
 * keeps the tree hash over all leaves. The asynchronous methods must not run beside each other.
 */
export class IndexWriter {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #names: ObjectNames;
  readonly #tree = new TreeHash();
  readonly #pages: Page[] = [];
  #chunks: StoredChunk[] = [];
  #parts: StoredPart[] = [];
  #currentBytes = 0;
  /** Pages, from the first one, that are journal objects, and those that may be. */
  #saved = 0;
  #tried = 0;
  #next = 0;
  #size = 0;
  #stored = 0;

  /** @param prefix of the image's keys. */
  constructor(store: ObjectStore, prefix: string, names = new ObjectNames()) {
    this.#names = names;
    this.#store = store;
    this.#prefix = prefix;
  }

  /** Chunks so far. */
  get chunks(): number {
    return this.#next;
  }

  /** Logical bytes of {@link chunks}. */
  get size(): number {
    return this.#size;
  }

  /** Stored bytes of {@link chunks}. */
  get stored(): number {
    return this.#stored;
  }

  /** Root of the tree hash over {@link chunks}. */
  get root(): Uint8Array {
    return this.#tree.root();
  }

  /** A page is full that no journal object holds yet. */
  get fullPage(): boolean {
    return this.#pages.length > this.#saved;
  }

  /** Take in the chunks of one acknowledged part. */
  add(chunks: readonly StoredChunk[], part: StoredPart): void {
    for (const chunk of chunks) {
      this.#count(chunk);
      this.#chunks.push(chunk);
      this.#currentBytes += entryBytes(chunk);
    }
    this.#parts.push(part);
    if (this.#currentBytes >= PAGE_TARGET_BYTES) this.#endPage();
  }

  /** Store what is too much to keep in memory. */
  async spill(signal?: AbortSignal): Promise<void> {
    await this.#storePages(this.#pages.length - PAGES_IN_MEMORY, signal);
  }

  /** Store everything so far as journal objects; resolves to how many there are. */
  async checkpoint(signal?: AbortSignal): Promise<number> {
    if (this.#chunks.length > 0) this.#endPage();
    await this.#storePages(this.#pages.length, signal);
    return this.#pages.length;
  }

  /**
   * Take in what an earlier writer left in its journal objects. For a writer that has nothing of its own yet.
   *
   * @param count journal objects to have taken in then, from the first one.
   * @param onObject called with the content and number of each, in order.
   */
  async restore(
    count: number,
    onObject: (object: JournalObject, number: number) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    for (let nth = this.#pages.length; nth < count; nth += 1) {
      const key = `${this.#prefix}${this.#names.journal(nth + 1)}`;
      const object = await readRecord(this.#store, key, MAX_JOURNAL_BYTES, decodeJournalObject, signal);
      const [first] = object.chunks;
      if (first?.index !== this.#next || first.offset !== this.#size) {
        throw new EngineError('VOST_BAD_JOURNAL', 'integrity', `${key} does not follow the one before it`);
      }
      for (const chunk of object.chunks) this.#count(chunk);
      this.#pages.push({ ref: this.#refOf(object.page, object.chunks), content: undefined });
      this.#saved = this.#pages.length;
      this.#tried = this.#saved;
      onObject(object, nth + 1);
    }
  }

  /** End the index: what the manifest says of it, and what writes the object. */
  seal(): { readonly summary: IndexSummary; readonly write: (signal?: AbortSignal) => Promise<void> } {
    if (this.#chunks.length > 0) this.#endPage();
    const footer = encodeFooter({ size: this.#size, pages: this.#pages.map(({ ref }) => ref) });
    const key = `${this.#prefix}${this.#names.index}`;
    const size =
      INDEX_HEADER.byteLength + this.#pages.reduce((sum, { ref }) => sum + ref.length, 0) + footer.byteLength;
    const sha256 = createHash('sha256').update(footer).digest('hex');
    const named = this.#names.term === undefined ? {} : { name: this.#names.index };
    const write = async (signal?: AbortSignal): Promise<void> => {
      const inMemory = this.#pages.flatMap(({ content }) => content?.bytes ?? []);
      const info =
        inMemory.length === this.#pages.length
          ? await this.#store.put(key, [INDEX_HEADER, ...inMemory, footer], { signal })
          : await this.#store.putStream(key, this.#stream(footer, signal), { signal });
      if (info.size === size) return;
      const message = `the index was stored with ${info.size} bytes instead of ${size}`;
      throw new EngineError('VOST_BAD_INDEX', 'integrity', message);
    };
    return { summary: { size, footer: footer.byteLength, sha256, ...named }, write };
  }

  /** Names of the journal objects that there may be, to be deleted once the image is committed. */
  get journalNames(): string[] {
    return Array.from({ length: this.#tried }, (_, nth) => this.#names.journal(nth + 1));
  }

  #count(chunk: StoredChunk): void {
    this.#next += 1;
    this.#size += chunk.length;
    this.#stored += chunk.storedLength;
    this.#tree.push(chunk.leaves);
  }

  #endPage(): void {
    const bytes = encodePage(this.#chunks);
    this.#pages.push({ ref: this.#refOf(bytes, this.#chunks), content: { bytes, parts: this.#parts } });
    this.#chunks = [];
    this.#parts = [];
    this.#currentBytes = 0;
  }

  #refOf(page: Uint8Array, chunks: readonly StoredChunk[]): PageRef {
    const [first] = chunks as [StoredChunk];
    const last = this.#pages.at(-1)?.ref;
    return {
      position: last === undefined ? INDEX_HEADER.byteLength : last.position + last.length,
      length: page.byteLength,
      firstIndex: first.index,
      firstOffset: first.offset,
      chunks: chunks.length,
      // A copy: of a page that was read, nothing else should stay in memory.
      digest: new Uint8Array(page.subarray(-DIGEST_BYTES)),
    };
  }

  async #storePages(count: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#saved < count) {
      const page = this.#pages[this.#saved] as Page;
      const { bytes, parts } = page.content as NonNullable<Page['content']>;
      this.#tried = this.#saved + 1;
      await this.#store.put(`${this.#prefix}${this.#names.journal(this.#tried)}`, [bytes, encodeParts(parts)], {
        signal,
      });
      page.content = undefined;
      this.#saved = this.#tried;
    }
  }

  async *#stream(footer: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    yield INDEX_HEADER;
    for (const [nth, { content, ref }] of this.#pages.entries()) {
      yield content?.bytes ?? (await this.#readBack(nth, ref, signal));
    }
    yield footer;
  }

  async #readBack(nth: number, ref: PageRef, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const name = this.#names.journal(nth + 1);
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
