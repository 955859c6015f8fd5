import { EngineError } from '../../../src/errors.ts';
import { type ImageIdentity, imageIdOf } from '../../../src/image/identity.ts';
import type {
  CloseMode,
  HandleContext,
  ImageLayout,
  ReadHandle,
  WriteHandle,
} from '../../../src/image/image-backend.ts';
import { encodeManifest, type Manifest } from '../../../src/image/manifest.ts';
import { imagePrefix, MANIFEST } from '../../../src/image/names.ts';
import type { ImageBackend } from '../../../src/ost/backend.ts';
import type { Lease } from '../../../src/pipeline/lease.ts';

/** What the double's storage keeps of an image. */
export interface Kept {
  creator: string;
  open: boolean;
  complete: boolean;
  chunkBytes: number;
  /** Kept by a close that was incomplete. */
  size: number;
  readonly chunks: Map<number, Uint8Array>;
  readonly metas: Map<number, Uint8Array>;
  manifest: Manifest | undefined;
}

const error = (code: string, failure: ConstructorParameters<typeof EngineError>[1], message: string) =>
  new EngineError(code, failure, message);

/**
 * Image handles in memory: what the protocol's tests see of src/image, with nothing of its inside. `store` decides when,
 * and whether, a chunk is acknowledged.
 */
export class MemoryBackend implements ImageBackend {
  readonly images = new Map<string, Kept>();
  /** Called before a chunk is acknowledged; what it throws fails the handle. */
  store: (chunk: number) => Promise<void> = async () => undefined;
  /** Handles that have not ended. */
  live = 0;

  async create(context: HandleContext, layout: ImageLayout): Promise<WriteHandle> {
    const key = imageIdOf(layout.identity);
    if (this.images.has(key)) throw error('VOST_IMAGE_EXISTS', 'exists', 'the image is there');
    const { chunkBytes } = layout;
    const kept: Kept = {
      creator: context.creator,
      open: true,
      complete: false,
      chunkBytes,
      size: 0,
      chunks: new Map(),
      metas: new Map(),
      manifest: undefined,
    };
    this.images.set(key, kept);
    return this.#handle(context, layout.identity, kept);
  }

  async reopen(context: HandleContext, identity: ImageIdentity): Promise<WriteHandle> {
    const kept = this.images.get(imageIdOf(identity));
    if (kept === undefined) throw error('VOST_NOT_FOUND', 'not-found', 'there is no such image');
    if (kept.complete) throw error('VOST_IMAGE_COMPLETE', 'access', 'the image is complete');
    if (kept.open) throw error('VOST_IMAGE_OPEN', 'busy', 'the image is open elsewhere');
    kept.creator = context.creator;
    kept.open = true;
    return this.#handle(context, identity, kept);
  }

  async attach(context: HandleContext, identity: ImageIdentity) {
    const kept = this.images.get(imageIdOf(identity));
    if (kept === undefined) throw error('VOST_NOT_FOUND', 'not-found', 'there is no such image');
    if (kept.creator !== context.creator) throw error('VOST_IMAGE_OPEN', 'busy', 'the image is somebody else’s');
    if (kept.complete) return { committed: true };
    return { committed: false, handle: this.#handle(context, identity, kept) };
  }

  async open(_: HandleContext, identity: ImageIdentity): Promise<ReadHandle> {
    const kept = this.images.get(imageIdOf(identity));
    const { manifest } = kept ?? {};
    if (kept === undefined || manifest === undefined)
      throw error('VOST_NOT_FOUND', 'not-found', 'there is no such image');
    this.live += 1;
    const bytes = Buffer.concat([...kept.chunks].sort(([a], [b]) => a - b).map(([, chunk]) => chunk));
    return {
      imageId: imageIdOf(identity),
      manifest,
      read: async (offset, length, into, sequential) => {
        const start = Math.min(offset, manifest.size);
        const wanted = sequential ? into.byteLength : Math.min(length, into.byteLength);
        const piece = bytes.subarray(start, Math.min(start + wanted, manifest.size));
        into.set(piece);
        return { start, length: piece.byteLength, slotOffset: 0, eof: start + piece.byteLength === manifest.size };
      },
      readMeta: async (index) => metaOf(kept, index),
      close: async () => {
        this.live -= 1;
      },
    };
  }

  async copy(
    from: Parameters<ImageBackend['copy']>[0],
    to: Parameters<ImageBackend['copy']>[1],
    _: unknown,
    { creator, signal, onProgress }: NonNullable<Parameters<ImageBackend['copy']>[3]>,
  ): Promise<Manifest> {
    const source = this.images.get(from.imageId);
    if (source?.manifest === undefined) throw error('VOST_NOT_FOUND', 'not-found', 'there is no such image');
    onProgress?.(0, source.manifest.size);
    await this.store(-1);
    signal?.throwIfAborted();
    const key = imageIdOf(to.identity);
    if (this.images.has(key)) throw error('VOST_IMAGE_EXISTS', 'exists', 'the target is there');
    const manifest = { ...source.manifest, identity: to.identity, ...(creator ? { creator } : {}) };
    await to.store.put(`${imagePrefix(key)}${MANIFEST}`, [encodeManifest(manifest)]);
    this.images.set(key, { ...source, manifest });
    return manifest;
  }

  #handle(context: HandleContext, identity: ImageIdentity, kept: Kept): WriteHandle {
    this.live += 1;
    const { chunkBytes } = kept;
    const firstChunk = Math.floor(kept.size / chunkBytes);
    const leases = new Set<Lease>();
    const running = new Set<Promise<void>>();
    let failure: EngineError | undefined;
    let onFailure: ((error: EngineError) => void) | undefined;
    let ended = false;
    let accepted = 0;

    const fail = (cause: unknown): void => {
      if (failure !== undefined || ended) return;
      failure = cause instanceof EngineError ? cause : error('VOST_DOUBLE', 'internal', String(cause));
      onFailure?.(failure);
      for (const lease of leases) lease.release();
      leases.clear();
    };
    const end = async (): Promise<void> => {
      ended = true;
      await Promise.allSettled(running);
      for (const lease of leases) lease.release();
      leases.clear();
      this.live -= 1;
    };
    const store = async (chunk: number, bytes: Uint8Array, lease: Lease): Promise<void> => {
      const copy = Buffer.from(bytes);
      try {
        await this.store(chunk);
        if (ended || failure !== undefined || context.signal?.aborted) return;
        kept.chunks.set(chunk, copy);
        leases.delete(lease);
        lease.release();
      } catch (cause) {
        fail(cause);
      }
    };
    return {
      imageId: imageIdOf(identity),
      chunkBytes,
      firstChunk,
      size: kept.size,
      present: async (chunk, into) => {
        const tail = chunk === firstChunk ? kept.chunks.get(chunk) : undefined;
        if (tail !== undefined) into.set(tail);
        return tail?.byteLength ?? 0;
      },
      put: (chunk, bytes, _, lease) => {
        accepted += bytes.byteLength;
        if (kept.chunks.has(chunk) && chunk !== firstChunk) {
          lease.release();
          return;
        }
        leases.add(lease);
        const work = store(chunk, bytes, lease).finally(() => running.delete(work));
        running.add(work);
      },
      flush: async () => {
        await Promise.allSettled(running);
        if (failure) throw failure;
      },
      writeMeta: async (index, bytes) => {
        kept.metas.set(index, Buffer.from(bytes));
      },
      readMeta: async (index) => metaOf(kept, index),
      close: async (mode: CloseMode, size: number) => {
        if (mode !== 'abandon') await Promise.allSettled(running);
        await end();
        if (mode === 'abandon') return undefined;
        if (failure) throw failure;
        const have = [...kept.chunks.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
        if (have < size) throw error('VOST_GAP', 'usage', `only ${have} of ${size} bytes are there`);
        kept.size = size;
        kept.open = false;
        if (mode === 'incomplete') return undefined;
        kept.complete = true;
        kept.manifest = manifestOf(identity, size, kept);
        const key = `${imagePrefix(imageIdOf(identity))}${MANIFEST}`;
        await context.store.put(key, [encodeManifest(kept.manifest)]);
        return kept.manifest;
      },
      detach: end,
      onFailure: (listener) => {
        onFailure = listener;
        if (failure) listener(failure);
      },
      get progress() {
        const stored = [...kept.chunks.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
        return { accepted, acknowledged: stored, stored, partsInFlight: running.size };
      },
    };
  }
}

function metaOf(kept: Kept, index: number): Uint8Array {
  const blob = kept.metas.get(index);
  if (blob === undefined) throw error('VOST_NOT_FOUND', 'not-found', `there is no blob ${index}`);
  return blob;
}

function manifestOf(identity: ImageIdentity, size: number, kept: Kept): Manifest {
  return {
    format: 'vast-ost-image',
    version: 1,
    image_name: identity.basename,
    creation_date: new Date(Number(identity.date) * 1000).toISOString(),
    size,
    fragments: [{ name: 'fragment-000001', size }],
    checksum: `sha256-tree:${'0'.repeat(64)}`,
    netbackup_metadata: { policy: '', schedule: '', client: '' },
    identity,
    chain: [],
    chunk_size: kept.chunkBytes,
    leaf_size: 1024 * 1024,
    index: { size: 0, footer: 0, sha256: '0'.repeat(64) },
    committed: new Date().toISOString(),
    written_by: 'double',
  };
}
