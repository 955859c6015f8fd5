import { LEAF_BYTES } from '../bridge/bridge.ts';
import type { SourceWrite } from '../pipeline/chunk.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ConfiguredStage } from '../pipeline/stage-registry.ts';
import { createAggregator } from '../stages/aggregator.ts';
import { createChunker } from '../stages/chunker.ts';
import { FlatDigest } from '../stages/flat-digest.ts';
import type { ObjectStore } from '../vast/store.ts';
import { Claim } from './claim.ts';
import { FragmentWriter } from './fragment-writer.ts';
import { checkIdentity, imageIdOf } from './identity.ts';
import type { ImageLayout, WriteProgress, WriteTuning } from './image-backend.ts';
import { type LockPolicy, planLock } from './image-lock.ts';
import { IndexWriter } from './index-writer.ts';
import { imageInfoOf, type Manifest } from './manifest.ts';
import { INDEX, imagePrefix } from './names.ts';
import { prepareStages } from './prepare-stages.ts';
import { publish } from './publish.ts';
import { StoredPrefix } from './stored-prefix.ts';
import { createWriteChain, type WriteChain } from './write-chain.ts';

export interface ImageWriterOptions extends ImageLayout, WriteTuning {
  /** How far ahead of the first missing byte a write may reach, bytes. */
  readonly window: number;
  /** Lock the image when it is complete. */
  readonly lock?: LockPolicy | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes one image from a sequential source: source writes go through the chain into fragments; {@link commit} publishes. Until then
 * the image does not exist for readers. The owner ends with exactly one of {@link commit} and
 * {@link abort}; after a failed write or commit, abort cleans up.
 */
export class ImageWriter {
  readonly imageId: string;
  readonly #store: ObjectStore;
  readonly #signal: AbortSignal | undefined;
  readonly #prefix: string;
  readonly #claim: Claim;
  readonly #lock: LockPolicy | undefined;
  readonly #fragments: FragmentWriter;
  readonly #index: IndexWriter;
  readonly #acknowledged: StoredPrefix;
  readonly #flat: FlatDigest | undefined;
  readonly #stream: WriteChain<SourceWrite>;
  readonly #stages: readonly ConfiguredStage[];
  #accepted = 0;
  /** End of the last byte written. */
  #end = 0;
  #stored = 0;
  #publishing = false;

  private constructor(
    store: ObjectStore,
    resources: Resources,
    options: ImageWriterOptions,
    imageId: string,
    claim: Claim,
    stages: readonly ConfiguredStage[],
  ) {
    this.imageId = imageId;
    this.#store = store;
    this.#signal = options.signal;
    this.#prefix = imagePrefix(imageId);
    this.#claim = claim;
    this.#stages = stages;
    this.#lock = options.lock;
    this.#fragments = new FragmentWriter(store, this.#prefix, claim);
    this.#index = new IndexWriter(store, this.#prefix);
    this.#flat = options.flatDigest ? new FlatDigest() : undefined;
    this.#acknowledged = new StoredPrefix(0, (part, signal) => {
      this.#index.add(part.chunks, { ...this.#fragments.part(part.fragment, part.number), fragment: part.fragment });
      return this.#index.spill(signal);
    });
    const { chunkBytes, partBytes, parallelParts, observers, window, signal } = options;
    this.#stream = createWriteChain<SourceWrite>(
      {
        store,
        resources,
        chunkBytes,
        partBytes,
        parallelParts,
        ...(observers ? { observers } : {}),
        image: imageInfoOf(store.lsu, claim.record),
        flat: this.#flat?.stage(),
        stages,
        fragments: this.#fragments,
        onStored: (part, signal) => {
          this.#stored += part.size;
          return this.#acknowledged.add(part, signal);
        },
        signal,
      },
      (scope) => [
        createAggregator({ pool: resources.slabs, slabBytes: chunkBytes, scope, window }),
        createChunker({ chunkBytes }),
      ],
    );
  }

  /** Begin an image. Throws `exists` when there is one of this identity, complete or unfinished. */
  static async create(store: ObjectStore, resources: Resources, options: ImageWriterOptions): Promise<ImageWriter> {
    const identity = checkIdentity(options.identity);
    const imageId = imageIdOf(identity);
    const image = imageInfoOf(store.lsu, { identity, netbackup_metadata: options.metadata });
    const stages = await prepareStages(resources, options.stages, image, options.signal);
    const about = {
      identity,
      netbackup_metadata: options.metadata,
      chain: stages.map(({ record }) => ({ ...record })) as Manifest['chain'],
      chunk_size: options.chunkBytes,
      leaf_size: LEAF_BYTES,
    } as const;
    // Before anything is written that could not be locked in the end.
    if (options.lock) await planLock(store, options.lock, options.signal);
    const claim = await Claim.take(store, imagePrefix(imageId), about, options.signal);
    return new ImageWriter(store, resources, options, imageId, claim, stages);
  }

  get progress(): WriteProgress {
    return {
      accepted: this.#accepted,
      acknowledged: this.#index.size,
      stored: this.#stored,
      partsInFlight: this.#stream.sink.running,
    };
  }

  /** Write bytes at an offset; the memory is the caller's again when this resolves. An error may belong to an earlier write. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#stream.chain.write({ offset, data });
    this.#accepted += data.byteLength;
    if (data.byteLength > 0) this.#end = Math.max(this.#end, offset + data.byteLength);
  }

  /**
   * Make the image complete: everything to storage, uploads completed, sizes compared, index, then the
   * manifest. When this resolves the image is durable and visible; when it throws before the manifest was sent, it is neither.
   */
  async commit(): Promise<Manifest> {
    await this.#stream.chain.end();
    this.#acknowledged.checkComplete();
    const manifest = await publish({
      store: this.#store,
      prefix: this.#prefix,
      claim: this.#claim,
      fragments: this.#fragments,
      index: this.#index,
      stages: this.#stages,
      size: this.#end,
      sha256: this.#flat?.digest,
      more: {},
      lock: this.#lock,
      signal: this.#signal,
      onPublishing: () => {
        this.#publishing = true;
      },
    });
    await this.#dropTraces();
    return manifest;
  }

  /**
   * Give up: stop the chain, drop uploads and fragments. Never throws; resolves to the errors met on the
   * way, each of which may have left garbage that gc names. After a failed publication everything stays as a pending image;
   * when another writer has published or claimed the image, its objects stay untouched.
   */
  async abort(reason: Error): Promise<unknown[]> {
    await this.#stream.chain.abort(reason);
    if (this.#publishing) return [];
    const errors = await this.#fragments.abort(this.#claim.lost);
    if (this.#claim.lost) return errors;
    try {
      await this.#store.delete([`${this.#prefix}${INDEX}`]);
      // The pending record goes last: it names what might still be there.
      if (errors.length === 0) await this.#dropTraces(true);
    } catch (error) {
      errors.push(error);
    }
    return errors;
  }

  /** Remove what only a pending image has. After a commit a failure here is harmless: gc knows these beside a manifest. */
  async #dropTraces(strict = false): Promise<void> {
    const names = this.#index.journalNames;
    try {
      if (names.length > 0) await this.#store.delete(names.map((name) => `${this.#prefix}${name}`));
      if (this.#claim.written) await this.#claim.forget();
    } catch (error) {
      if (strict) throw error;
    }
  }
}
