import { LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import { Chain } from '../pipeline/chain.ts';
import type { SourceWrite } from '../pipeline/chunk.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import { runStage } from '../pipeline/run-stage.ts';
import type { StageEnv } from '../pipeline/stage.ts';
import type { ConfiguredStage } from '../pipeline/stage-registry.ts';
import { createAggregator } from '../stages/aggregator.ts';
import { createChunker } from '../stages/chunker.ts';
import { FlatDigest } from '../stages/flat-digest.ts';
import { createPacker } from '../stages/packer.ts';
import { planParts } from '../stages/part-planner.ts';
import { createPartUploader } from '../stages/part-uploader.ts';
import type { ObjectStore } from '../vast/store.ts';
import { VERSION } from '../version.ts';
import { Claim } from './claim.ts';
import { FragmentWriter } from './fragment-writer.ts';
import { checkIdentity, type ImageIdentity, imageIdOf } from './identity.ts';
import { IndexWriter } from './index-writer.ts';
import { encodeManifest, type Manifest, type NetBackupMetadata } from './manifest.ts';
import { INDEX, imagePrefix, MANIFEST, PENDING } from './names.ts';

export interface ImageWriterOptions {
  readonly identity: ImageIdentity;
  readonly metadata: NetBackupMetadata;
  /** Stages after the checksum, in write order. */
  readonly stages: readonly ConfiguredStage[];
  /** Length of a chunk, bytes; a multiple of 1 MiB. */
  readonly chunkBytes: number;
  /** Size of the first parts, bytes. */
  readonly partBytes: number;
  /** Parts in flight at the same time. */
  readonly parallelParts: number;
  /** How far ahead of the first missing byte a write may reach, bytes. */
  readonly window: number;
  /** Also keep the plain SHA-256 of the image. */
  readonly flatDigest: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Numbers for a progress line. */
export interface WriteProgress {
  /** Logical bytes taken from the source. */
  readonly accepted: number;
  /** Logical bytes that storage has acknowledged. */
  readonly acknowledged: number;
  /** Encoded bytes that storage has acknowledged. */
  readonly stored: number;
  readonly partsInFlight: number;
}

/**
 * Writes one image: source writes go through the chain into fragments; {@link commit} publishes. Until then
 * the image does not exist for readers. The owner ends with exactly one of {@link commit} and
 * {@link abort}; after a failed write or commit, abort cleans up.
 */
export class ImageWriter {
  readonly imageId: string;
  readonly #store: ObjectStore;
  readonly #options: ImageWriterOptions;
  readonly #prefix: string;
  readonly #claim: Claim;
  readonly #fragments: FragmentWriter;
  readonly #index: IndexWriter;
  readonly #flat: FlatDigest | undefined;
  readonly #chainRecords: Manifest['chain'];
  readonly #chain: Chain<SourceWrite>;
  readonly #sink: { readonly running: number };
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
    checksum: ConfiguredStage,
  ) {
    this.imageId = imageId;
    this.#store = store;
    this.#options = options;
    this.#prefix = imagePrefix(imageId);
    this.#claim = claim;
    this.#chainRecords = [checksum, ...options.stages].map(({ record }) => ({ ...record })) as Manifest['chain'];
    this.#fragments = new FragmentWriter(store, this.#prefix, (fragment, id) => claim.addUpload(fragment, id));
    this.#index = new IndexWriter(store, this.#prefix);
    this.#flat = options.flatDigest ? new FlatDigest() : undefined;

    const { budget, slabs, bridge } = resources;
    const { chunkBytes, window } = options;
    const scope = new LeaseScope();
    const endReserve = budget.reserveForOutput(
      Math.max(0, ...options.stages.map((stage) => stage.workingBytes(chunkBytes))),
    );
    const env: StageEnv = { budget, scope, bridge };
    const { minPartBytes, maxParts, maxPartBytes, maxObjectBytes } = store.limits;
    const plan = planParts({
      partBytes: options.partBytes,
      maxPartBytes: Math.min(maxPartBytes, Math.max(minPartBytes, Math.floor(budget.total / 4))),
      minPartBytes,
      maxParts,
      maxFragmentBytes: maxObjectBytes,
    });
    const sink = createPartUploader({
      concurrency: () => options.parallelParts,
      store: (part, signal) => this.#fragments.store(part, signal),
      onStored: (part) => {
        this.#stored += part.size;
        return this.#index.add(part.chunks);
      },
    });
    this.#sink = sink;
    this.#chain = new Chain<SourceWrite>(
      [
        createAggregator({ pool: slabs, slabBytes: chunkBytes, scope, window }),
        createChunker({ chunkBytes }),
        ...(this.#flat ? [runStage('flat-digest', this.#flat.stage())] : []),
        ...[checksum, ...options.stages].map((stage) => runStage(stage.record.name, stage.forward(env))),
        createPacker({ plan }),
        sink,
      ],
      {
        signal: options.signal,
        onClosed: () => {
          scope.releaseAll();
          endReserve();
        },
      },
    );
  }

  /** Begin an image. Throws `exists` when there is a complete one of this identity, `busy` when there is an unfinished one. */
  static async create(store: ObjectStore, resources: Resources, options: ImageWriterOptions): Promise<ImageWriter> {
    const identity = checkIdentity(options.identity);
    const imageId = imageIdOf(identity);
    const checksum = resources.stages.configure('checksum', {});
    const chain = [checksum, ...options.stages].map(({ record }) => ({ ...record })) as Manifest['chain'];
    const about = {
      identity,
      netbackup_metadata: options.metadata,
      chain,
      chunk_size: options.chunkBytes,
      leaf_size: LEAF_BYTES,
    } as const;
    const claim = await Claim.take(store, imagePrefix(imageId), about, options.signal);
    return new ImageWriter(store, resources, { ...options, identity }, imageId, claim, checksum);
  }

  get progress(): WriteProgress {
    return {
      accepted: this.#accepted,
      acknowledged: this.#index.size,
      stored: this.#stored,
      partsInFlight: this.#sink.running,
    };
  }

  /** Write bytes at an offset; the memory is the caller's again when this resolves. An error may belong to an earlier write. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#chain.write({ offset, data });
    this.#accepted += data.byteLength;
    if (data.byteLength > 0) this.#end = Math.max(this.#end, offset + data.byteLength);
  }

  /**
   * Make the image complete: everything to storage, uploads completed, sizes compared, index, then the
   * manifest. When this resolves the image is durable and visible; when it throws before the manifest was sent, it is neither.
   */
  async commit(): Promise<Manifest> {
    const { signal } = this.#options;
    await this.#chain.end();
    // Completing replaces what another writer may have published meanwhile: look first.
    await this.#claim.confirm(signal);
    const fragments = await this.#fragments.complete(signal);
    const stored = fragments.reduce((sum, { size }) => sum + size, 0);
    if (stored !== this.#stored || this.#index.size !== this.#end) {
      throw new EngineError(
        'VOST_STORED_SIZE',
        'integrity',
        `${this.#prefix}: ${stored} stored bytes for ${this.#index.size} of ${this.#end} bytes, where ${this.#stored} were acknowledged`,
      );
    }
    const index = await this.#index.write(signal);
    await this.#claim.confirm(signal);
    const manifest = this.#manifest(fragments, index);
    // From here on the manifest may be visible even if its answer is lost, so the data must stay.
    this.#publishing = true;
    await this.#store.put(`${this.#prefix}${MANIFEST}`, [encodeManifest(manifest)]);
    await this.#dropTraces();
    return manifest;
  }

  /**
   * Give up: stop the chain, drop uploads and fragments. Never throws; resolves to the errors met on the
   * way, each of which may have left garbage that gc names. After a failed publication everything stays as a pending image;
   * when another writer has published or claimed the image, its objects stay untouched.
   */
  async abort(reason: Error): Promise<unknown[]> {
    await this.#chain.abort(reason);
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
    const names = [...this.#index.journalNames, ...(this.#claim.written ? [PENDING] : [])];
    try {
      if (names.length > 0) await this.#store.delete(names.map((name) => `${this.#prefix}${name}`));
    } catch (error) {
      if (strict) throw error;
    }
  }

  #manifest(fragments: Manifest['fragments'], index: Manifest['index']): Manifest {
    const { identity, metadata, chunkBytes } = this.#options;
    const now = new Date().toISOString();
    return {
      format: 'vast-ost-image',
      version: 1,
      image_name: identity.basename,
      creation_date: creationDate(identity.date) ?? now,
      size: this.#index.size,
      fragments,
      checksum: `sha256-tree:${Buffer.from(this.#index.root).toString('hex')}`,
      ...(this.#flat?.digest ? { sha256: Buffer.from(this.#flat.digest).toString('hex') } : {}),
      netbackup_metadata: metadata,
      identity,
      chain: this.#chainRecords,
      chunk_size: chunkBytes,
      leaf_size: LEAF_BYTES,
      index,
      committed: now,
      written_by: `vast-ost/${VERSION}`,
    };
  }
}

/** NetBackup's date is seconds since the epoch. */
function creationDate(date: string): string | undefined {
  if (!/^[0-9]{1,11}$/.test(date)) return undefined;
  return new Date(Number(date) * 1000).toISOString();
}
