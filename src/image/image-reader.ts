import { Readable } from 'node:stream';
import { DIGEST_BYTES, LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import { Chain } from '../pipeline/chain.ts';
import { type Chunk, type Run, sizeOf } from '../pipeline/chunk.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import { ParallelSink } from '../pipeline/parallel-sink.ts';
import type { Resources } from '../pipeline/resources.ts';
import { runStage } from '../pipeline/run-stage.ts';
import type { StageEnv, StageInstance, StageMemory } from '../pipeline/stage.ts';
import { StageClock } from '../pipeline/stage-clock.ts';
import { boundOf, type ConfiguredStage } from '../pipeline/stage-registry.ts';
import { createFetcher } from '../stages/fetcher.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { createSlicer } from '../stages/slicer.ts';
import { here, inSpan } from '../tracing/spans.ts';
import type { ObjectStore } from '../vast/store.ts';
import { ImageIndex } from './image-index.ts';
import { decodeManifest, imageInfoOf, MAX_MANIFEST_BYTES, type Manifest, type MetaRecord } from './manifest.ts';
import { readMeta } from './meta-blobs.ts';
import { fragmentName, imagePrefix, MANIFEST } from './names.ts';
import { inPieces } from './read-in-pieces.ts';
import { readRecord } from './read-record.ts';
import { type Reread, rereading } from './reread.ts';
import { verifiedIndex } from './verified-index.ts';

/** Chunks fetched ahead where no flow says how many. */
const READ_AHEAD = 4;

export interface ReadOptions {
  /** First byte wanted. Default 0. */
  readonly offset?: number | undefined;
  /** Bytes wanted. Default: to the end. */
  readonly length?: number | undefined;
  /** Chunks fetched at the same time; `auto`: as the store's flow has it at the moment. */
  readonly readAhead: number | 'auto';
  readonly signal?: AbortSignal | undefined;
}

/** Takes verified bytes in order; their memory may be reused when the promise resolves. */
export type Consume = (data: Uint8Array, offset: number) => Promise<void>;

/** Where stored bytes lie. */
type Place = Pick<StoredChunk, 'fragment' | 'storedOffset'>;

/** A stage's clock outside of a chain. */
export interface NamedClock {
  readonly name: string;
  readonly clock: StageClock;
}

/** Reads a complete image. Every byte it hands out has been verified against its leaf's digest. */
export class ImageReader {
  readonly imageId: string;
  readonly manifest: Manifest;
  readonly #store: ObjectStore;
  readonly #resources: Resources;
  readonly #prefix: string;
  readonly #stages: readonly ConfiguredStage[];
  readonly #index: ImageIndex;

  private constructor(store: ObjectStore, resources: Resources, imageId: string, manifest: Manifest) {
    this.imageId = imageId;
    this.manifest = manifest;
    this.#store = store;
    this.#resources = resources;
    this.#prefix = imagePrefix(imageId);
    this.#stages = manifest.chain.map((record) => resources.stages.resolve(record));
    const bound = (length: number) => boundOf(this.#stages, length);
    this.#index = new ImageIndex(store, this.#prefix, manifest, resources.indexes, bound);
  }

  /** Open an image. Throws `not-found`, `unsupported` (a stage or format we do not have), `integrity`. */
  static async open(
    store: ObjectStore,
    resources: Resources,
    imageId: string,
    signal?: AbortSignal,
  ): Promise<ImageReader> {
    const key = `${imagePrefix(imageId)}${MANIFEST}`;
    const manifest = await readRecord(store, key, MAX_MANIFEST_BYTES, decodeManifest, signal);
    const reader = ImageReader.of(store, resources, imageId, manifest);
    if (manifest.size === 0) await reader.#checkEmpty(signal);
    return reader;
  }

  /** A reader of an image whose manifest is known. Throws `unsupported`, `integrity`. */
  static of(store: ObjectStore, resources: Resources, imageId: string, manifest: Manifest): ImageReader {
    const key = `${imagePrefix(imageId)}${MANIFEST}`;
    for (const [at, { name }] of manifest.fragments.entries()) {
      if (name.split('.')[0] !== fragmentName(at + 1)) {
        throw new EngineError('VOST_BAD_RECORD', 'integrity', `${store.lsu}/${key} names fragment ${at + 1} ${name}`);
      }
    }
    // Without it nothing would compare what is read with its digests.
    if (manifest.chain[0]?.name !== 'checksum')
      throw new EngineError('VOST_BAD_RECORD', 'integrity', `${store.lsu}/${key} names no checksum as its first stage`);
    return new ImageReader(store, resources, imageId, manifest);
  }

  /** No chunk will tell whether there ought to be some. */
  async #checkEmpty(signal: AbortSignal | undefined): Promise<void> {
    const image = imageInfoOf(this.#store.lsu, this.manifest);
    try {
      for (const stage of this.#stages) await stage.check?.(image, this.manifest.size, signal);
    } catch (error) {
      throw this.named(error);
    }
  }

  /** Some stage changes the image's bytes: chunks can only be read whole. */
  get wholeChunks(): boolean {
    return this.#stages.some(({ transforms }) => transforms);
  }

  /** Read a range in order. A range that reaches beyond the image is a `usage` error. */
  async read(options: ReadOptions, consume: Consume): Promise<void> {
    const start = options.offset ?? 0;
    const end = options.length === undefined ? this.manifest.size : start + options.length;
    if (!(start >= 0 && end >= start && end <= this.manifest.size)) {
      throw new EngineError(
        'VOST_RANGE',
        'usage',
        `bytes ${start} to ${end} reach beyond the image, which has ${this.manifest.size} bytes`,
      );
    }
    await this.readChunks(this.requests(start, end, options.signal), start, end, options, consume);
  }

  /** Compare every byte of the index with its digests. Throws `integrity`; `not-found` when it is gone or too short. */
  async checkIndex(signal?: AbortSignal): Promise<void> {
    try {
      for await (const _ of verifiedIndex(this.#store, this.imageId, this.manifest, signal));
    } catch (error) {
      throw this.named(error);
    }
  }

  /** Compare a fragment's size in storage with the manifest. Throws `integrity` (VOST_STORED_SIZE), also when it is gone. */
  async checkFragment({ name, size }: Manifest['fragments'][number], signal?: AbortSignal): Promise<void> {
    const key = `${this.#prefix}${name}`;
    const found = await this.#store.head(key, { signal });
    if (found?.size === size) return;
    const has = found === undefined ? 'does not exist' : `has ${found.size} bytes where the manifest says ${size}`;
    const message = `${this.#store.lsu}/${key} ${has}`;
    throw this.named(new EngineError('VOST_STORED_SIZE', 'integrity', message, { details: { fragment: name, size } }));
  }

  /** Compare a blob of the host with its digest. Throws as {@link checkIndex}. */
  async checkMeta(meta: MetaRecord, signal?: AbortSignal): Promise<void> {
    try {
      await readMeta(this.#store, this.#prefix, meta.index, meta, signal);
    } catch (error) {
      throw this.named(error);
    }
  }

  /** All chunks of the image, for verification of some or all of them. */
  chunks(signal?: AbortSignal): AsyncGenerator<StoredChunk> {
    return this.#index.chunks(0, this.manifest.size, signal);
  }

  /** Fetch, decode and verify the given chunks, and hand on what of them lies in [start, end). */
  async readChunks(
    chunks: AsyncIterable<StoredChunk>,
    start: number,
    end: number,
    options: Pick<ReadOptions, 'readAhead' | 'signal'>,
    consume: Consume,
  ): Promise<void> {
    const { budget, slabs, bridge, meters } = this.#resources;
    const scope = new LeaseScope();
    const parent = here();
    const { chunk_size } = this.manifest;
    const { readAhead } = options;
    const ahead = readAhead === 'auto' ? this.#store.flow?.ahead : undefined;
    const endAhead = ahead?.begin();
    const endReserve = budget.reserveForOutput(
      Math.max(0, ...this.#stages.map((stage) => stage.workingBytes(chunk_size))),
    );
    const sink = new ParallelSink<Run>({
      name: 'consumer',
      concurrency: () => 1,
      consume: async ({ data, offset, lease }) => {
        await consume(data, offset);
        lease.release();
      },
    });
    // By the memory they are in; it is used again, and then noted again.
    const fetched = new WeakMap<ArrayBufferLike, Reread>();
    const stages = [
      createFetcher({
        pool: slabs,
        scope,
        // One more than are on their way: the one that is being consumed.
        concurrency: readAhead === 'auto' ? () => (ahead?.ranges(chunk_size) ?? READ_AHEAD) + 1 : readAhead,
        read: (fragment, storedOffset, into, signal) => {
          const place = { fragment, storedOffset };
          const attributes = { 'vast_ost.fragment': fragment, 'vast_ost.stored_bytes': into.byteLength };
          const fetch: Reread = (by) => inSpan('chunks', { parent, attributes }, () => this.fetch(place, into, by));
          fetched.set(into.buffer, fetch);
          return fetch(signal);
        },
      }),
      ...this.#stages.toReversed().map((stage) => {
        const clock = new StageClock();
        const instance = stage.inverse(this.#env({ budget, scope, bridge }, stage, clock));
        const run = this.#rereading(instance, ({ pieces: [first] }) => first && fetched.get(first.buffer));
        return runStage(inverseName(stage), run, { clock });
      }),
      createSlicer(start, end),
    ];
    const chain = new Chain<never>([Readable.from(chunks, { highWaterMark: 1 }), ...stages, sink], {
      signal: options.signal,
      onClosed: () => {
        scope.releaseAll();
        endReserve();
        endAhead?.();
      },
    });
    meters.attach('restore', [...stages, sink]);
    try {
      await chain.done;
    } catch (error) {
      throw this.named(error);
    }
  }

  /**
   * What to fetch for a range: whole chunks, or only the leaves concerned when the stored bytes are the image's own.
   *
   * @param start first byte wanted, and `end` the byte after the last one, inside the image.
   */
  async *requests(start: number, end: number, signal?: AbortSignal): AsyncGenerator<StoredChunk> {
    const whole = this.wholeChunks;
    for await (const chunk of this.#index.chunks(start, end, signal)) yield whole ? chunk : narrow(chunk, start, end);
  }

  /** New clocks for the inverse stages, in the order in which they work. */
  clocks(): NamedClock[] {
    return this.#stages.toReversed().map((stage) => ({ name: inverseName(stage), clock: new StageClock() }));
  }

  /** Fill `into` with a chunk's stored bytes, with as many requests as the store's flow likes. */
  async fetch({ fragment, storedOffset }: Place, into: Uint8Array, signal: AbortSignal): Promise<void> {
    const key = `${this.#prefix}${this.manifest.fragments[fragment - 1]?.name ?? fragmentName(fragment)}`;
    const { flow } = this.#store;
    const read = (from: number, to: number, signal: AbortSignal): Promise<void> =>
      this.#store.read(key, storedOffset + from, into.subarray(from, to), { signal });
    if (flow?.ahead === undefined) await read(0, into.byteLength, signal);
    else
      await flow.ahead.fetch(into.byteLength, (requestBytes) => inPieces(into.byteLength, requestBytes, signal, read));
  }

  #rereading(instance: StageInstance, rereadOf: (chunk: Chunk) => Reread | undefined): StageInstance {
    return rereading(instance, rereadOf, () => this.#resources.meters.heal());
  }

  /** Turn a chunk's stored bytes back and verify them, by the clocks of {@link ImageReader.clocks}. The result's lease takes over. */
  async decode(
    chunk: Chunk & Place,
    memory: StageMemory,
    clocks: readonly NamedClock[],
    signal: AbortSignal,
  ): Promise<Chunk> {
    let decoded: Chunk = chunk;
    const [bytes] = chunk.pieces;
    const reread: Reread = async (by) => bytes && this.fetch(chunk, bytes, by);
    for (const [at, stage] of this.#stages.toReversed().entries()) {
      const { clock } = clocks[at] as NamedClock;
      // Whoever makes other bytes of it releases the lease.
      const inverse = stage.inverse(this.#env(memory, stage, clock));
      const instance = this.#rereading(inverse, ({ lease }) => (lease === chunk.lease ? reread : undefined));
      clock.bytesIn += sizeOf(decoded.pieces);
      clock.begin();
      try {
        decoded = await instance.apply(decoded, signal);
        await instance.flush?.();
      } finally {
        clock.end();
        await instance.close?.();
      }
      clock.bytesOut += sizeOf(decoded.pieces);
    }
    return decoded;
  }

  #env({ budget, scope, bridge }: StageMemory, stage: ConfiguredStage, clock: StageClock): StageEnv {
    const before = this.#stages.slice(0, this.#stages.indexOf(stage));
    return {
      budget: clock.watch(budget),
      scope,
      bridge,
      slabs: this.#resources.slabs,
      image: imageInfoOf(this.#store.lsu, this.manifest),
      size: this.manifest.size,
      before: (length) => boundOf(before, length),
    };
  }

  /** Corruption is counted, and reported with the image's name; the stages do not know it. */
  named(error: unknown): unknown {
    if (!(error instanceof EngineError) || error.failure !== 'integrity') return error;
    this.#resources.meters.mismatch();
    const { advice, cause, details } = error;
    return new EngineError(error.code, 'integrity', `image ${this.#store.lsu}/${this.imageId}: ${error.message}`, {
      cause,
      ...(advice ? { advice } : {}),
      details: { ...details, lsu: this.#store.lsu, image: this.imageId },
    });
  }
}

function inverseName({ record }: ConfiguredStage): string {
  return `${record.name}-inverse`;
}

/** The leaves of an untransformed chunk that hold bytes of [start, end), as a chunk of their own. */
function narrow(chunk: StoredChunk, start: number, end: number): StoredChunk {
  const first = Math.max(0, Math.floor((start - chunk.offset) / LEAF_BYTES));
  const last = Math.ceil((Math.min(end, chunk.offset + chunk.length) - chunk.offset) / LEAF_BYTES);
  const skipped = first * LEAF_BYTES;
  const length = Math.min(last * LEAF_BYTES, chunk.length) - skipped;
  return {
    ...chunk,
    offset: chunk.offset + skipped,
    length,
    storedOffset: chunk.storedOffset + skipped,
    storedLength: length,
    leaves: chunk.leaves.subarray(first * DIGEST_BYTES, last * DIGEST_BYTES),
  };
}
