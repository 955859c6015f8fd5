import { abortError, EngineError } from '../errors.ts';
import type { Lease } from '../pipeline/lease.ts';
import type { ConfiguredStage } from '../pipeline/stage-registry.ts';
import { FlatDigest } from '../stages/flat-digest.ts';
import { bound } from '../tracing/spans.ts';
import type { ObjectStore } from '../vast/store.ts';
import type { HandleJournal } from './handle-journal.ts';
import type { HandleStart } from './handle-start.ts';
import { imageIdOf } from './identity.ts';
import type { CloseMode, HandleContext, WriteHandle, WriteProgress, WriteTuning } from './image-backend.ts';
import { KeptTail } from './kept-tail.ts';
import { imageInfoOf, type Manifest, type MetaRecord } from './manifest.ts';
import { putMeta, readMeta } from './meta-blobs.ts';
import { imagePrefix, numberOf, parseKey } from './names.ts';
import { neededObjects } from './needed-objects.ts';
import type { HandleRecord } from './pending.ts';
import { completeFragments, publish } from './publish.ts';
import { SlotChain } from './slot-chain.ts';
import { TailCodec } from './tail-codec.ts';

/** {@link WriteHandle} on any store. */
export class ImageHandle implements WriteHandle {
  readonly imageId: string;
  readonly chunkBytes: number;
  readonly firstChunk: number;
  readonly size: number;
  readonly #context: HandleContext;
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #start: HandleStart;
  readonly #journal: HandleJournal;
  readonly #flat: FlatDigest | undefined;
  readonly #stages: readonly ConfiguredStage[];
  readonly #chain: SlotChain;
  readonly #tail: KeptTail;
  /** Fires with the first failure. */
  readonly #stop = new AbortController();
  readonly #onAbort = (): void => void this.detach();
  /** Runs what belongs to the image in its trace, whoever asks for it. */
  readonly #inTrace = bound(<T>(work: () => Promise<T>): Promise<T> => work());
  /** What may touch callers' memory. */
  readonly #running = new Set<Promise<unknown>>();
  #metas: Promise<unknown> = Promise.resolve();
  #closing: Promise<Manifest | undefined> | undefined;
  #detached = false;
  /** The caller wants nothing of it. */
  #abandoned = false;
  /** A record that names what was stored has been sent: it may be in storage even if its answer is lost, so the data must stay. */
  #named = false;

  /** @param stages the image's stages, the checksum first. */
  constructor(context: HandleContext, tuning: WriteTuning, start: HandleStart, stages: readonly ConfiguredStage[]) {
    const { store, resources, signal } = context;
    const { claim, kept, memory, known, knownBytes, held, fragments } = start;
    const { identity, chunk_size } = claim.record;
    this.imageId = imageIdOf(identity);
    this.chunkBytes = chunk_size;
    this.size = kept.size;
    this.firstChunk = Math.floor(kept.size / chunk_size);
    this.#context = context;
    this.#store = store;
    this.#prefix = imagePrefix(this.imageId);
    this.#start = start;
    this.#stages = stages;
    this.#journal = start.journal;
    const codec = new TailCodec(stages, resources, imageInfoOf(store.lsu, claim.record));
    this.#tail = new KeptTail({ store, prefix: this.#prefix, resources, names: start.names }, codec, kept, chunk_size);
    const { hash } = memory;
    const state = hash?.state.byteLength ? hash.state : undefined;
    this.#flat = hash ? new FlatDigest(state) : undefined;
    this.#chain = new SlotChain({
      store,
      resources,
      chunkBytes: chunk_size,
      partBytes: tuning.partBytes,
      parallelParts: tuning.parallelParts,
      ...(tuning.observers ? { observers: tuning.observers } : {}),
      onReport: tuning.onReport,
      image: imageInfoOf(store.lsu, claim.record),
      stages,
      flat: this.#flat,
      hash,
      fragments,
      journal: this.#journal,
      memory,
      held,
      maxChunks: start.journal.maxChunks(chunk_size),
      known,
      knownLast: knownBytes % chunk_size !== 0,
      start: start.packer,
      stop: this.#stop,
      onFail: (error) => {
        if (!this.#detached && !this.#abandoned) this.#journal.fail(error);
      },
    });
    if (start.failure) void this.#chain.stop(start.failure);
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get progress(): WriteProgress {
    const { index } = this.#start;
    const { accepted, partsInFlight } = this.#chain;
    return { accepted, acknowledged: index.size, stored: index.stored, partsInFlight };
  }

  onFailure(listener: (error: EngineError) => void): void {
    this.#chain.onFailure(listener);
  }

  present(chunk: number, into: Uint8Array): Promise<number> {
    return this.#track(async (signal) =>
      chunk === this.firstChunk && chunk >= this.#start.known ? this.#tail.fill(into, signal) : 0,
    );
  }

  put(chunk: number, bytes: Uint8Array, last: boolean, lease: Lease): void {
    if (this.#closing) lease.release();
    else this.#chain.put(chunk, bytes, last, lease);
  }

  async flush(): Promise<void> {
    this.#check();
    await this.#chain.flush();
  }

  writeMeta(index: number, bytes: Uint8Array): Promise<void> {
    const { metas } = this.#start.memory;
    return this.#track((signal) => {
      // One after the other: a blob's name depends on the one that it replaces.
      const next = this.#metas.then(async () => {
        const meta = await putMeta(
          this.#store,
          this.#prefix,
          this.#start.names,
          index,
          bytes,
          metas.get(index),
          signal,
        );
        await this.#journal.meta(meta, signal);
      });
      this.#metas = next.catch(() => undefined);
      return next;
    });
  }

  readMeta(index: number): Promise<Uint8Array> {
    const meta = this.#start.memory.metas.get(index);
    return this.#track((signal) => readMeta(this.#store, this.#prefix, index, meta, signal));
  }

  async close(mode: CloseMode, size: number): Promise<Manifest | undefined> {
    if (this.#closing) throw ended();
    this.#chain.quiet();
    this.#closing = this.#inTrace(() => this.#close(mode, size)).finally(() => this.#end());
    return this.#closing;
  }

  async #close(mode: CloseMode, size: number): Promise<Manifest | undefined> {
    if (mode === 'abandon' && !this.#detached) {
      this.#abandoned = true;
      await this.#abandon(new EngineError('VOST_ABANDONED', 'aborted', 'the image was abandoned'));
      return undefined;
    }
    try {
      if (this.#chain.failure) throw this.#chain.failure;
      await Promise.allSettled(this.#running);
      await this.#endChain(mode === 'complete', size);
      return mode === 'complete' ? await this.#complete(size) : await this.#suspend(size);
    } catch (error) {
      const cause = this.#chain.failure ?? error;
      // What is left is for an attach to take up, or else only what was kept before stays.
      if (this.#detached) await this.#chain.stop(cause);
      else await this.#abandon(cause).catch(() => undefined);
      throw cause;
    }
  }

  async detach(): Promise<void> {
    this.#detached = true;
    this.#chain.quiet();
    const { signal } = this.#context;
    const reason = new EngineError('VOST_DETACHED', 'aborted', 'the handle on the image was detached');
    await this.#chain.stop(signal?.aborted ? abortError(signal) : reason);
    await this.#closing?.catch(() => undefined);
    await this.#end();
  }

  /** Everything to storage, if that gives the image `size` bytes. */
  async #endChain(complete: boolean, size: number): Promise<void> {
    await this.#chain.settled();
    const { known, knownBytes } = this.#start;
    const { final, gap } = this.#chain;
    let next = this.#chain.next;
    const sealed = next === known ? knownBytes : next * this.chunkBytes;
    let bytes = final ? next * this.chunkBytes + final.bytes.byteLength : sealed;
    // The short last chunk that an earlier writer left, when nobody has written to it since.
    const untouched = final === undefined && next === this.firstChunk && next === known;
    if (untouched) bytes += this.#tail.size;
    const short = sealed % this.chunkBytes !== 0;
    if (bytes !== size || (complete ? gap : short)) {
      const message = `${this.#prefix} has ${bytes} bytes without a gap${gap ? ' and more behind it' : ''}, not ${size}`;
      throw new EngineError('VOST_NOT_COVERED', 'usage', message, { details: { bytes, size } });
    }
    if (complete && untouched && this.#tail.size > 0) {
      const { bytes: tail, lease } = await this.#tail.load(this.#stop.signal);
      this.#chain.put(next, tail, true, lease);
      next += 1;
    }
    if (!complete && final) await this.#tail.put(next, final.bytes, this.#stop.signal);
    else if (!untouched) this.#tail.drop();
    await this.#chain.end(complete);
  }

  async #complete(size: number): Promise<Manifest> {
    const { claim, fragments, index, memory } = this.#start;
    const manifest = await publish({
      store: this.#store,
      prefix: this.#prefix,
      claim,
      fragments,
      index,
      stages: this.#stages,
      size,
      sha256: this.#flat?.digest,
      more: { ...(memory.metas.size > 0 ? { metas: sorted(memory.metas) } : {}), creator: this.#context.creator },
      lock: this.#context.lock,
      signal: this.#stop.signal,
      onPublishing: () => {
        this.#named = true;
      },
    });
    this.#journal.clear();
    // A failure here is harmless: gc knows these beside a manifest.
    await this.#dropTraces(manifest).catch(() => undefined);
    return manifest;
  }

  /** Remove what only an unfinished image has. Of one that was short and simple this is known without a look. */
  async #dropTraces(manifest: Manifest): Promise<void> {
    const { claim, held, index } = this.#start;
    const replaced = manifest.metas?.some((meta) => numberOf(meta.name) !== meta.index);
    if (claim.certain && !held.any && !replaced && index.journalNames.length === 0) return claim.forget();
    const needed = neededObjects(manifest);
    await this.#drop(await this.#objects((name) => !needed.has(name)));
  }

  /** Keep what there is for another writer. Fragments are completed, so that nothing that may still be on its way can change them. */
  async #suspend(size: number): Promise<undefined> {
    const { claim, kept, fragments, index, memory } = this.#start;
    const { signal } = this.#stop;
    await completeFragments({ prefix: this.#prefix, claim, fragments, index, size: index.size, signal });
    const journal = await this.#journal.checkpoint(signal);
    const hash = this.#chain.hashAt(index.chunks);
    const tail = this.#tail.record;
    const handle: HandleRecord = {
      creator: this.#context.creator,
      open: false,
      size,
      journal,
      ...(kept.terms ? { terms: kept.terms } : {}),
      ...(tail ? { tail } : {}),
      ...(hash ? { sha256_state: Buffer.from(hash.state).toString('base64') } : {}),
      metas: sorted(memory.metas),
    };
    const needed = new Set([tail?.name, ...handle.metas.map(({ name }) => name)]);
    const passing = (name: string): boolean => /^(tail|held|meta)-/.test(name) && !needed.has(name);
    // Named before anybody else may go on: what the next writer makes is not ours to drop.
    const passed = await this.#objects(passing);
    this.#named = true;
    await claim.update(() => ({ uploads: [], handle }), signal, true);
    this.#journal.clear();
    await this.#drop(passed).catch(() => undefined);
    return undefined;
  }

  /** Stop, and leave what was kept before. Throws what could not be undone; gc names it. */
  async #abandon(reason: unknown): Promise<void> {
    await this.#chain.stop(reason);
    const { claim, fragments, kept } = this.#start;
    if (claim.lost) return;
    this.#journal.clear();
    const errors = this.#named ? [] : await fragments.abort(false);
    await claim.update(({ uploads }) => ({
      uploads: errors.length > 0 ? uploads : [],
      handle: { ...kept, creator: this.#context.creator, open: false },
    }));
    const [first] = errors;
    if (first !== undefined) throw first;
  }

  /** Keys of the image's objects that are not wanted. */
  async #objects(unwanted: (name: string) => boolean): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.#store.list({ prefix: this.#prefix, signal: this.#stop.signal })) {
      const name = parseKey(key)?.name;
      if (name !== undefined && unwanted(name)) keys.push(key);
    }
    return keys;
  }

  async #drop(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#store.delete(keys, { signal: this.#stop.signal });
  }

  #check(): void {
    if (this.#chain.failure) throw this.#chain.failure;
    if (this.#closing) throw ended();
  }

  async #track<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#check();
    const running = this.#inTrace(() => work(this.#stop.signal));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #end(): Promise<void> {
    await Promise.allSettled(this.#running);
    this.#chain.release();
    this.#context.signal?.removeEventListener('abort', this.#onAbort);
  }
}

function sorted(metas: ReadonlyMap<number, MetaRecord>): MetaRecord[] {
  return [...metas.values()].sort((a, b) => a.index - b.index);
}

function ended(): EngineError {
  return new EngineError('VOST_HANDLE_ENDED', 'usage', 'the handle on the image has ended');
}
