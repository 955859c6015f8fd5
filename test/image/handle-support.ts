import type { HandleContext, ImageLayout, WriteHandle, WriteTuning } from '../../src/image/image-backend.ts';
import { journalMemory } from '../../src/image/journal-memory.ts';
import type { Lease } from '../../src/pipeline/lease.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { identity, MIB } from './support.ts';

export const TUNING: WriteTuning = { partBytes: MIB, parallelParts: 3 };
export const JOURNAL_BYTES = 64 * 1024;

export function layout(
  resources: Resources,
  name: string,
  more: Partial<ImageLayout & WriteTuning> & { compress?: boolean } = {},
): ImageLayout & WriteTuning {
  const { compress, ...rest } = more;
  return {
    ...TUNING,
    identity: identity(name),
    metadata: { policy: 'policy', schedule: 'full', client: 'client' },
    stages: compress ? [resources.stages.configure('lz4', {})] : [],
    chunkBytes: MIB,
    flatDigest: false,
    ...rest,
  };
}

export function context(store: ObjectStore, resources: Resources, more: Partial<HandleContext> = {}): HandleContext {
  return { store, resources, journal: journalMemory(new Uint8Array(JOURNAL_BYTES)), creator: 'session/1', ...more };
}

/**
 * The plugin's side: a few slots, each with a copy of a chunk's bytes, that come back when their lease is released. A slot that
 * came back is overwritten, so whoever still reads it reads garbage.
 */
export class Slots {
  readonly #count: number;
  readonly #waiting: (() => void)[] = [];
  /** Chunks that are full and not freed, as an attach would name them. */
  readonly full = new Map<number, { readonly bytes: Uint8Array; readonly last: boolean }>();
  /** Chunks freed, in order. */
  readonly freed: number[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  /** Wait for a free slot, or until `failed`. */
  async want(): Promise<void> {
    while (this.full.size >= this.#count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Fill a slot with the chunk and hand it over. */
  put(handle: WriteHandle, chunk: number, data: Uint8Array, last: boolean): void {
    const bytes = new Uint8Array(data);
    this.full.set(chunk, { bytes, last });
    handle.put(chunk, bytes, last, this.#lease(chunk, bytes));
  }

  /** Hand over again what is full, to the handle of an engine that came after. */
  putAgain(handle: WriteHandle): void {
    for (const [chunk, { bytes, last }] of [...this.full]) handle.put(chunk, bytes, last, this.#lease(chunk, bytes));
  }

  /** The slots as they are now, for another engine; what the old one does from now on does not touch them. */
  clone(): Slots {
    const slots = new Slots(this.#count);
    for (const [chunk, { bytes, last }] of this.full) slots.full.set(chunk, { bytes: new Uint8Array(bytes), last });
    return slots;
  }

  #lease(chunk: number, bytes: Uint8Array): Lease {
    let held = true;
    return {
      release: () => {
        if (!held) throw new Error(`chunk ${chunk} was released twice`);
        held = false;
        bytes.fill(0xee);
        this.full.delete(chunk);
        this.freed.push(chunk);
        for (const resolve of this.#waiting.splice(0)) resolve();
      },
    };
  }
}

/** Hand over `data` from a chunk on, in a given order or ascending; the last chunk of the image is marked as such. */
export async function feed(
  handle: WriteHandle,
  slots: Slots,
  data: Uint8Array,
  options: { from?: number; order?: (chunks: number[]) => number[]; last?: boolean } = {},
): Promise<void> {
  const { chunkBytes } = handle;
  const count = Math.ceil(data.byteLength / chunkBytes);
  const all = Array.from({ length: count }, (_, nth) => nth).slice(options.from ?? handle.firstChunk);
  for (const chunk of options.order?.(all) ?? all) {
    await slots.want();
    const piece = data.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes);
    if (options.last !== false || piece.byteLength === chunkBytes)
      slots.put(handle, chunk, piece, chunk === count - 1 && options.last !== false);
  }
}
