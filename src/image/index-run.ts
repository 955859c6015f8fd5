import { EngineError } from '../errors.ts';
import type { Sized } from '../pipeline/idle-cache.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { INDEX_HEADER, type PageRef } from './index-file.ts';
import { decodePage } from './index-page.ts';
import type { SharedLoad } from './shared-load.ts';

/** Pages that are read with one request have so many bytes together at most, unless one alone has more: 120 GiB of a default image. */
export const RUN_BYTES = 4 * 2 ** 20;
/** What a chunk's objects take beside its bytes in the page, about. */
const CHUNK_OBJECTS_BYTES = 256;

/** Consecutive pages of an index, read with one request. Each is compared with its digest when it is first wanted. */
export class IndexRun implements Sized {
  readonly bytes: number;
  readonly #start: number;
  readonly #load: SharedLoad<Uint8Array>;
  /** By place in the index. */
  readonly #decoded = new Map<number, StoredChunk[]>();

  /** @param load what is stored from {@link startOf} the pages to the end of the last one. */
  constructor(pages: readonly PageRef[], load: SharedLoad<Uint8Array>) {
    this.bytes = pages.reduce((sum, { length, chunks }) => sum + length + chunks * CHUNK_OBJECTS_BYTES, 0);
    this.#start = startOf(pages);
    this.#load = load;
  }

  /** It could not be read: of no use to anybody. */
  get failed(): boolean {
    return this.#load.failed;
  }

  /**
   * The chunks of one of its pages. Throws `integrity` (VOST_BAD_INDEX) when the page is not the one that the footer names.
   *
   * @param where the index is, for messages.
   */
  async page(ref: PageRef, where: string, signal: AbortSignal | undefined): Promise<StoredChunk[]> {
    const bytes = await this.#load.get(signal);
    const known = this.#decoded.get(ref.position);
    if (known !== undefined) return known;
    if (this.#start === 0 && Buffer.compare(bytes.subarray(0, INDEX_HEADER.byteLength), INDEX_HEADER) !== 0)
      throw bad(where, 'no index header');
    const from = ref.position - this.#start;
    const chunks = decode(ref, bytes.subarray(from, from + ref.length), where);
    this.#decoded.set(ref.position, chunks);
    return chunks;
  }
}

/** Where reading of such pages begins: the first page is read together with the header before it, which so gets checked at no cost. */
export function startOf([first]: readonly PageRef[]): number {
  return first === undefined || first.firstIndex === 0 ? 0 : first.position;
}

/** Which pages are read together with each, whatever was read before. */
export function runsOf(pages: readonly PageRef[]): Map<PageRef, readonly PageRef[]> {
  const runs = new Map<PageRef, readonly PageRef[]>();
  let run: PageRef[] = [];
  let bytes = 0;
  for (const page of pages) {
    if (bytes + page.length > RUN_BYTES) [run, bytes] = [[], 0];
    run.push(page);
    bytes += page.length;
    runs.set(page, run);
  }
  return runs;
}

function decode(ref: PageRef, bytes: Uint8Array, where: string): StoredChunk[] {
  const chunks = decodePage(bytes, where);
  if (Buffer.compare(bytes.subarray(-ref.digest.byteLength), ref.digest) !== 0)
    throw bad(where, 'a page that is not the one the footer names');
  const [first] = chunks;
  if (chunks.length !== ref.chunks || first?.index !== ref.firstIndex || first.offset !== ref.firstOffset)
    throw bad(where, 'a page that does not begin where the footer says');
  return chunks;
}

/** The index is not what was written. */
export function bad(where: string, what: string): EngineError {
  return new EngineError('VOST_BAD_INDEX', 'integrity', `${where} has ${what}`);
}
