import type { Host } from '../ost/support/host.ts';
import { imageId } from '../ost/support/host.ts';

const MIB = 1024 * 1024;
/** Handles being opened, written or closed at the same time by {@link LoadHost.each}. */
const AT_ONCE = 32;
/** Chunks that a stream may have on their way to storage. */
const WINDOW = 2;
/** A small last chunk: a block of the interface. */
const TAIL_BYTES = 512;

/** Milliseconds of every call. */
export interface Latencies {
  readonly open: number[];
  /** From asking for a slot until storage has its bytes. */
  readonly write: number[];
  readonly close: number[];
}

export interface OpenImage {
  readonly handle: bigint;
  readonly journal: number;
  chunks: number;
}

/** Something that runs until it is told to stop, and counts the bytes that storage has acknowledged. */
export interface Stream {
  acknowledged: number;
  readonly done: Promise<void>;
}

/** One host process that has many images open in its session. */
export class LoadHost {
  readonly latencies: Latencies = { open: [], write: [], close: [] };
  readonly images: OpenImage[] = [];
  readonly #host: Host;
  readonly #lsu: string;
  readonly #slots: Pool;
  readonly #journals: Pool;
  #opened = 0;
  #stopping = false;

  /** @param host connected, server 1 open. */
  constructor(host: Host, lsu: string) {
    this.#host = host;
    this.#lsu = lsu;
    this.#slots = new Pool(host.layout.slotCount);
    this.#journals = new Pool(host.layout.journalCount);
  }

  /** Begin an image. */
  async open(): Promise<OpenImage> {
    this.#opened += 1;
    const handle = BigInt(this.#opened);
    const journal = await this.#journals.take();
    const id = imageId(`load-${this.#host.key}-${handle}`);
    await timed(this.latencies.open, () => this.#host.create(handle, id, { journal, lsu: this.#lsu }));
    return { handle, journal, chunks: 0 };
  }

  /** Begin so many images, and keep them open. */
  async openMany(count: number): Promise<void> {
    await this.#each(Array.from({ length: count }), async () => {
      this.images.push(await this.open());
    });
  }

  /** Write one chunk to each of the open images. */
  async writeEach(): Promise<void> {
    await this.#each(this.images, (image) => this.write(image));
  }

  async closeAll(): Promise<void> {
    await this.#each(this.images.splice(0), (image) => this.close(image));
  }

  /** Write the next chunk; resolves when storage has it. */
  async write(image: OpenImage): Promise<void> {
    await timed(this.latencies.write, async () => {
      const slot = await this.#fill(image, MIB, false);
      await this.#host.notice('SLOT_FREE', { handle: image.handle, slot });
      this.#slots.give(slot);
    });
  }

  /** Write a short last chunk, and complete the image. */
  async close(image: OpenImage): Promise<void> {
    const { handle, journal } = image;
    const size = BigInt(image.chunks * MIB + TAIL_BYTES);
    const slot = await this.#fill(image, TAIL_BYTES, true);
    await timed(this.latencies.close, () => this.#host.ask('IMAGE_CLOSE', { handle, mode: 1, size }));
    this.#slots.give(slot);
    this.#journals.give(journal);
  }

  /**
   * Write one image after the other, of 1 to `sizes` MiB in turn.
   *
   * @param onAcknowledged called when storage has one more MiB.
   */
  stream(sizes: number, onAcknowledged: () => void = () => undefined): Stream {
    const stream = { acknowledged: 0, done: Promise.resolve() };
    stream.done = this.#run(sizes, () => {
      stream.acknowledged += MIB;
      onAcknowledged();
    });
    return stream;
  }

  /** Streams end with the image that they are at. */
  stop(): void {
    this.#stopping = true;
  }

  async #run(sizes: number, onAcknowledged: () => void): Promise<void> {
    for (let nth = 0; !this.#stopping; nth += 1) {
      const image = await this.open();
      const under = new Set<Promise<void>>();
      for (let chunk = 0; chunk < 1 + (nth % sizes); chunk += 1) {
        if (under.size >= WINDOW) await Promise.race(under);
        const write = this.write(image).then(() => {
          onAcknowledged();
          under.delete(write);
        });
        under.add(write);
      }
      await Promise.all(under);
      await this.close(image);
    }
  }

  /** Get a slot of the engine's, fill it and hand it over. */
  async #fill(image: OpenImage, length: number, last: boolean): Promise<number> {
    const { handle } = image;
    const chunk = BigInt(image.chunks);
    if (!last) image.chunks += 1;
    const slot = await this.#slots.take();
    await this.#host.ask('SLOT_WANT', { handle, chunk, slot });
    this.#host.arena.slot(slot).fill(1 + Number(handle % 255n), 0, length);
    this.#host.tell('SLOT_FULL', { handle, chunk, slot, length, flags: last ? 1 : 0 });
    return slot;
  }

  async #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    const left = items.values();
    const workers = Array.from({ length: AT_ONCE }, async () => {
      for (const item of left) await work(item);
    });
    await Promise.all(workers);
  }
}

/** Numbers that are lent, the one last given back first, to whoever has waited longest. */
class Pool {
  readonly #free: number[];
  readonly #waiting: ((number: number) => void)[] = [];

  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, at) => count - 1 - at);
  }

  async take(): Promise<number> {
    return this.#free.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(number: number): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(number);
    else next(number);
  }
}

async function timed(into: number[], work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  into.push(performance.now() - began);
}

/** `p50 1, p99 3, max 6 ms of 100 calls` */
export function describe(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0);
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms of ${sorted.length} calls`;
}

/** What a stream writes until it has had every size, bytes. */
export function cycleBytes(sizes: number): number {
  return ((sizes * (sizes + 1)) / 2) * MIB;
}

/** Bytes of the slowest stream and of the middle one. */
export function slowest(bytes: readonly number[]): { readonly least: number; readonly median: number } {
  const sorted = [...bytes].sort((a, b) => a - b);
  return { least: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0 };
}
