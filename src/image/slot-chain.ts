import { EngineError } from '../errors.ts';
import type { Chunk } from '../pipeline/chunk.ts';
import type { Lease } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { StageEnv, StageInstance } from '../pipeline/stage.ts';
import type { ConfiguredStage } from '../pipeline/stage-registry.ts';
import type { ImageInfo } from '../stage-api/index.ts';
import type { FlatDigest } from '../stages/flat-digest.ts';
import { type PackerStart, type PackerState, type Part, PRESS } from '../stages/packer.ts';
import type { ObjectStore } from '../vast/store.ts';
import type { FragmentWriter } from './fragment-writer.ts';
import type { HandleJournal, HandleMemory } from './handle-journal.ts';
import type { HeldChunks, HeldRun } from './held-chunks.ts';
import type { WriteTuning } from './image-backend.ts';
import type { HashRecord } from './journal-records.ts';
import { type FinalChunk, SlotFeed } from './slot-feed.ts';
import { StoredPrefix } from './stored-prefix.ts';
import { createWriteChain, type WriteChain } from './write-chain.ts';

export interface SlotChainOptions extends WriteTuning {
  readonly store: ObjectStore;
  readonly resources: Resources;
  readonly chunkBytes: number;
  readonly stages: readonly ConfiguredStage[];
  readonly image: ImageInfo;
  readonly flat: FlatDigest | undefined;
  /** State of the plain digest that `flat` began with. */
  readonly hash: HashRecord | undefined;
  readonly fragments: FragmentWriter;
  readonly journal: HandleJournal;
  readonly memory: HandleMemory;
  readonly held: HeldChunks;
  readonly maxChunks: number;
  /** Chunks that storage has already, in parts and in held objects. */
  readonly known: number;
  /** The last of these is the image's short last one. */
  readonly knownLast: boolean;
  readonly start: PackerStart<HeldRun>;
  /** Aborted with the first failure. */
  readonly stop: AbortController;
  /** Called with the first failure before any slot goes back for it. */
  readonly onFail: (error: EngineError) => void;
}

interface Waiter {
  readonly end: number;
  readonly resolve: () => void;
  readonly reject: (error: EngineError) => void;
}

/**
 * The way of a handle's chunks from their slots to storage and into the journal.
 *
 * Slots are few, so no chunk may wait in one for others that cannot come: when nothing is on its way to storage and chunks lie in the
 * packer that are less than a part, the packer is pressed, and they go out as a smaller part or as a held object. While parts
 * are on their way, their slots will come back and chunks may gather. The same is done when a stage waits for memory, which the
 * gathered chunks may be holding.
 */
export class SlotChain {
  readonly #options: SlotChainOptions;
  readonly #stream: WriteChain<Chunk>;
  readonly #feed: SlotFeed;
  readonly #prefix: StoredPrefix;
  /** States of the plain digest after chunks that are not noted yet, by chunk number. */
  readonly #states = new Map<number, Uint8Array>();
  readonly #listeners: ((error: EngineError) => void)[] = [];
  readonly #waiters = new Set<Waiter>();
  #packed: PackerState = { taken: 0, parts: 0, loose: 0 };
  #pressing = false;
  #ending = false;
  /** The image will be continued by another writer. */
  #suspends = false;
  /** Calls of stages that wait for memory. */
  #starved = 0;
  /** Chunks from the image's beginning that need their slots no more. */
  #durable: number;
  #accepted = 0;
  #failure: EngineError | undefined;

  constructor(options: SlotChainOptions) {
    this.#options = options;
    const { store, resources, chunkBytes, partBytes, parallelParts, fragments, known, held, journal } = options;
    this.#durable = known;
    this.#prefix = new StoredPrefix(
      known - options.start.held.reduce((sum, run) => sum + run.chunks.length, 0),
      (part, signal) => this.#note(part, signal),
    );
    this.#stream = createWriteChain<Chunk, HeldRun>(
      {
        store,
        resources,
        chunkBytes,
        partBytes,
        parallelParts,
        stages: options.stages,
        ...(options.observers ? { observers: options.observers } : {}),
        onReport: options.onReport,
        image: options.image,
        suspends: () => this.#suspends,
        fragments,
        flat: this.#flatStage(),
        maxChunks: options.maxChunks,
        budget: this.#watchedBudget(),
        packer: {
          start: options.start,
          holder: {
            put: (chunks, pieces, signal) => this.#hold(chunks, pieces, signal),
            chunksOf: (run) => run.chunks,
            load: (runs, signal) => held.load(runs, signal),
          },
          onChange: (state) => this.#onPacked(state),
        },
        onSend: ({ fragment, number, whole }) => {
          if (!whole) journal.sent({ fragment, number });
        },
        onStored: (part, signal) => this.#prefix.add(part, signal),
        signal: options.stop.signal,
      },
      () => [],
    );
    this.#feed = new SlotFeed({
      chunkBytes,
      known,
      knownLast: options.knownLast,
      watched: (options.observers ?? []).length > 0,
      write: (chunk) => this.#stream.chain.write(chunk),
      onIdle: () => this.#consider(),
    });
    this.#stream.chain.done.catch((error: unknown) => {
      this.#fail(error);
      this.#feed.end();
      held.releaseAll();
    });
  }

  get failure(): EngineError | undefined {
    return this.#failure;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get partsInFlight(): number {
    return this.#stream.sink.running;
  }

  /** The first chunk that has not gone out. Exact once {@link settled} resolved. */
  get next(): number {
    return this.#feed.next;
  }

  get final(): FinalChunk | undefined {
    return this.#feed.final;
  }

  get gap(): boolean {
    return this.#feed.gap;
  }

  onFailure(listener: (error: EngineError) => void): void {
    if (this.#failure) listener(this.#failure);
    else this.#listeners.push(listener);
  }

  /** As {@link WriteHandle.put}. */
  put(index: number, bytes: Uint8Array, last: boolean, lease: Lease): void {
    if (this.#failure) {
      lease.release();
      return;
    }
    try {
      this.#feed.put(index, bytes, last, lease);
      this.#accepted += bytes.byteLength;
    } catch (error) {
      lease.release();
      void this.stop(error);
    }
  }

  /** As {@link WriteHandle.flush}. */
  async flush(): Promise<void> {
    if (this.#failure) throw this.#failure;
    const end = this.#feed.ready;
    if (this.#durable >= end) return;
    await new Promise<void>((resolve, reject) => this.#waiters.add({ end, resolve, reject }));
  }

  /** Wait until every chunk that can go out has gone out. */
  async settled(): Promise<void> {
    await this.#feed.settled();
    if (this.#feed.broken) await this.#stream.chain.done;
    if (this.#failure) throw this.#failure;
  }

  /** From now on failures are told by whoever waits, not to listeners. */
  quiet(): void {
    this.#listeners.length = 0;
  }

  /** Send everything; the final chunk only if that is wanted. Everything is noted when this resolves. */
  async end(withFinal: boolean): Promise<void> {
    if (withFinal) await this.#feed.feedFinal();
    this.#ending = true;
    this.#suspends = !withFinal;
    await this.#stream.chain.end();
    this.#prefix.checkComplete();
  }

  /** Tear down; resolves when nothing touches the slots any more. Does not throw. */
  async stop(error: unknown): Promise<void> {
    this.#fail(error);
    await this.#stream.chain.abort(this.#failure as EngineError);
  }

  /** Release every slot. After {@link end} or {@link stop}. */
  release(): void {
    this.#feed.end();
  }

  /** What the digest's state is after so many chunks; undefined when it is not wanted. */
  hashAt(chunks: number): HashRecord | undefined {
    const { flat, hash } = this.#options;
    if (flat === undefined) return undefined;
    const state = this.#states.get(chunks - 1);
    if (state !== undefined) return { chunks, state };
    return hash?.chunks === chunks ? hash : undefined;
  }

  #flatStage(): StageInstance | undefined {
    const { flat } = this.#options;
    const stage = flat?.stage();
    if (flat === undefined || stage === undefined) return undefined;
    return {
      ...stage,
      apply: async (chunk, signal) => {
        const out = await stage.apply(chunk, signal);
        if (flat.state) this.#states.set(chunk.index, flat.state);
        return out;
      },
    };
  }

  /** Tells when a stage has to wait for memory. */
  #watchedBudget(): StageEnv['budget'] {
    const { budget } = this.#options.resources;
    const watch = async <T>(grant: Promise<T>): Promise<T> => {
      this.#starved += 1;
      setImmediate(() => this.#consider());
      try {
        return await grant;
      } finally {
        this.#starved -= 1;
      }
    };
    return {
      take: (bytes, signal, onGrant) => watch(budget.take(bytes, signal, onGrant)),
      takeForOutput: (bytes, signal, onGrant) => watch(budget.takeForOutput(bytes, signal, onGrant)),
    };
  }

  async #hold(chunks: Part['chunks'], pieces: readonly Uint8Array[], signal: AbortSignal): Promise<HeldRun> {
    const { held, journal } = this.#options;
    const run = await held.put(chunks, pieces, signal);
    const end = run.record.first + run.record.count;
    await journal.held(run.record, this.hashAt(end), signal);
    this.#advance(end);
    return run;
  }

  /** A part is stored, and all before it. */
  async #note(part: Part, signal: AbortSignal): Promise<void> {
    const { fragments, journal, memory, held } = this.#options;
    const end = (part.chunks.at(-1)?.index ?? 0) + 1;
    const gone = memory.held.filter(({ first }) => first < end);
    const stored = { ...fragments.part(part.fragment, part.number), fragment: part.fragment };
    await journal.part(part, stored, this.hashAt(end), signal);
    this.#advance(end);
    await held.drop(gone, signal);
    // Only after `parts` has grown.
    setImmediate(() => this.#consider());
  }

  #advance(end: number): void {
    this.#durable = Math.max(this.#durable, end);
    this.#feed.release(end);
    for (const index of this.#states.keys()) if (index < end - 1) this.#states.delete(index);
    for (const waiter of this.#waiters) {
      if (waiter.end > this.#durable) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #onPacked(state: PackerState): void {
    this.#packed = state;
    if (state.loose === 0) this.#pressing = false;
    this.#consider();
  }

  #consider(): void {
    const { taken, parts, loose } = this.#packed;
    if (this.#failure || this.#ending || this.#pressing || loose === 0) return;
    const onTheWay = this.#feed.next - this.#options.known - taken;
    if ((onTheWay > 0 && this.#starved === 0) || parts > this.#prefix.parts) return;
    this.#pressing = true;
    this.#stream.packer.write(PRESS);
  }

  #fail(error: unknown): void {
    if (this.#failure) return;
    const failure =
      error instanceof EngineError
        ? error
        : new EngineError('VOST_INTERNAL', 'internal', `writing an image failed: ${String(error)}`, { cause: error });
    this.#failure = failure;
    this.#options.onFail(failure);
    this.#options.stop.abort(failure);
    for (const waiter of this.#waiters) waiter.reject(this.#failure);
    this.#waiters.clear();
    for (const listener of this.#listeners.splice(0)) listener(this.#failure);
  }
}
