import { killSwitchOf } from '../../chaos/store-rates.ts';
import { abortError } from '../../errors.ts';
import type { HandleContext, ReadHandle, WriteHandle } from '../../image/image-backend.ts';
import type { LockPolicy } from '../../image/image-lock.ts';
import { type JournalMemory, journalMemory, steppedJournal } from '../../image/journal-memory.ts';
import type { Lease } from '../../pipeline/lease.ts';
import { StageMeters } from '../../pipeline/stage-meters.ts';
import type { ObjectStore } from '../../vast/store.ts';
import type { Arena } from '../arena.ts';
import { imageHandles } from '../image-handles.ts';
import type { LaneChain } from './lane-chain.ts';
import type { LaneShare } from './lane-memory.ts';
import { plainError } from './plain-error.ts';
import type { FromLane, HandleCall, LaneContext, LaneLock, LaneProgress, Opened, Opening, ToLane } from './protocol.ts';

export interface LaneImageParts {
  readonly arena: Arena;
  readonly chain: LaneChain;
  /** Of the storage that it lies in. */
  readonly share: LaneShare;
  /** As in ReopenOptions. */
  readonly takeOver: (creator: string, touched: number) => Promise<boolean>;
  /** The setting of that name. */
  readonly chaos: string | undefined;
  readonly lockOf: (lock: LaneLock | undefined) => LockPolicy | undefined;
  readonly send: (message: FromLane) => void;
}

/** A handle in its lane: what the main thread asks for is done with the real one. */
export class LaneImage {
  readonly #number: number;
  readonly #parts: LaneImageParts;
  readonly #meters: StageMeters;
  /** Ends the handle at once. */
  readonly #stop = new AbortController();
  #writer: WriteHandle | undefined;
  #reader: ReadHandle | undefined;
  /** Leases that are free and not yet told. */
  #freed: number[] = [];
  #ended = false;

  constructor(number: number, parts: LaneImageParts) {
    this.#number = number;
    this.#parts = parts;
    this.#meters = new StageMeters(parts.share.resources.meters);
  }

  /** Nothing can be asked of it any more. */
  get ended(): boolean {
    return this.#ended;
  }

  async open(
    storeOf: () => Promise<ObjectStore>,
    { region, creator, lock, store: place }: LaneContext,
    opening: Opening,
    cancelled: AbortSignal,
  ): Promise<Opened> {
    const { share, chain, lockOf, send, takeOver } = this.#parts;
    cancelled.addEventListener('abort', () => this.abort(cancelled.reason), { once: true });
    const store = await storeOf();
    if (this.#stop.signal.aborted) throw abortError(this.#stop.signal);
    const context: HandleContext = {
      store,
      resources: { ...share.resources, meters: this.#meters },
      journal: region === undefined ? undefined : this.#journal(region),
      creator,
      lock: lockOf(lock),
      signal: this.#stop.signal,
    };
    if (opening.how === 'read') {
      this.#reader = await imageHandles.open(context, opening.identity);
      return { kind: 'read', manifest: this.#reader.manifest };
    }
    const identity = opening.how === 'create' ? opening.layout.identity : opening.identity;
    const tuning = chain.tuning(opening.tuning, place, identity, (stage, report) =>
      send({ say: 'report', image: this.#number, stage, report }),
    );
    let writer: WriteHandle | undefined;
    if (opening.how === 'create') {
      writer = await imageHandles.create(context, chain.layout(opening.layout, place), tuning);
    } else if (opening.how === 'reopen') {
      writer = await imageHandles.reopen(context, identity, {
        ...tuning,
        ...(opening.takeOver ? { takeOver } : {}),
      });
    } else {
      writer = (await imageHandles.attach(context, identity, tuning)).handle;
    }
    if (writer === undefined) {
      this.#ended = true;
      return undefined;
    }
    this.#writer = writer;
    writer.onFailure((error) => send({ say: 'failed', image: this.#number, error: plainError(error) }));
    const { chunkBytes, firstChunk, size } = writer;
    return { kind: 'write', chunkBytes, firstChunk, size, progress: progressOf(writer) };
  }

  abort(reason: unknown): void {
    this.#stop.abort(reason);
  }

  put({ chunk, bytes, last, lease: number }: Extract<ToLane, { say: 'put' }>): void {
    const lease: Lease = { release: () => this.#free(number) };
    if (this.#writer === undefined) lease.release();
    else this.#writer.put(chunk, this.#parts.arena.span(bytes), last, lease);
  }

  async call(call: HandleCall, signal: AbortSignal): Promise<unknown> {
    if (this.#reader !== undefined) return this.#read(this.#reader, call, signal);
    const writer = this.#writer;
    if (writer === undefined) throw new Error('the image is not open in its lane');
    const { arena } = this.#parts;
    switch (call.call) {
      case 'present':
        return writer.present(call.chunk, arena.span(call.into));
      case 'flush':
        return writer.flush();
      case 'writeMeta':
        return writer.writeMeta(call.index, arena.span(call.bytes));
      case 'readMeta':
        return ownBytes(await writer.readMeta(call.index));
      case 'close':
        return this.#last(writer.close(call.mode, call.size));
      case 'detach':
        return this.#last(writer.detach());
      case 'read':
        throw new Error('the image is open for writing');
    }
  }

  /** Tell the main thread how it is doing. */
  tell(): void {
    const { send, share } = this.#parts;
    const image = this.#number;
    this.#tellFreed();
    if (this.#writer !== undefined) send({ say: 'progress', image, progress: progressOf(this.#writer) });
    const { mismatches, healed } = this.#meters;
    const stages = { totals: this.#meters.totals(), mismatches, healed, decided: share.decided() };
    send({ say: 'stages', image, stages });
  }

  /** The lane ends. */
  async drop(): Promise<void> {
    await this.#writer?.detach();
    await this.#reader?.close();
  }

  async #read(reader: ReadHandle, call: HandleCall, signal: AbortSignal): Promise<unknown> {
    if (call.call === 'read') {
      const { offset, length, into, sequential } = call;
      return reader.read(offset, length, this.#parts.arena.span(into), sequential, signal);
    }
    if (call.call === 'readMeta') return ownBytes(await reader.readMeta(call.index));
    if (call.call === 'close') return this.#last(reader.close());
    throw new Error('the image is open for reading');
  }

  /** Whatever comes of it, the handle has ended then. */
  async #last<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      this.#ended = true;
    }
  }

  #journal(region: number): JournalMemory {
    const memory = journalMemory(this.#parts.arena.journal(region));
    const kills = killSwitchOf(this.#parts.chaos);
    return kills === undefined ? memory : steppedJournal(memory, kills);
  }

  /** Many become free at once: they are told together, with how far the image has come. */
  #free(lease: number): void {
    this.#freed.push(lease);
    if (this.#freed.length === 1) queueMicrotask(() => this.#tellFreed());
  }

  #tellFreed(): void {
    const leases = this.#freed;
    if (leases.length === 0) return;
    this.#freed = [];
    const { send } = this.#parts;
    if (this.#writer !== undefined) send({ say: 'progress', image: this.#number, progress: progressOf(this.#writer) });
    send({ say: 'freed', image: this.#number, leases });
  }
}

function progressOf({ progress: { acknowledged, stored, partsInFlight } }: WriteHandle): LaneProgress {
  return [acknowledged, stored, partsInFlight];
}

/** Without what lies around them in their buffer. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
