import { setMaxListeners } from 'node:events';
import { abortError, type EngineError } from '../../errors.ts';
import type { CloseMode, WriteHandle } from '../../image/image-backend.ts';
import type { StageMeters } from '../../pipeline/stage-meters.ts';
import { abandoned, engineError, invalid } from '../errors.ts';
import type { ImageResult } from '../image-tally.ts';
import { causeOf, resultOf } from '../results.ts';
import { type SlotGrants, SlotShare } from '../slot-grants.ts';
import type { SlotUse } from '../slot-table.ts';
import { wireFault } from '../wire/bytes.ts';
import { ATTACH_SLOT, CLOSE_MODE, IMAGE_FLAG, RESULT, SLOT_LAST } from '../wire/constants.ts';
import type { WireAttachSlot } from '../wire/groups.ts';
import type { Answer, Notice, Question } from '../wire/messages.ts';
import { checkBlob, fillSlot } from './blob-slot.ts';
import { HostClock } from './host-clock.ts';
import { entryOf, infoOfPending } from './image-info.ts';
import { LateFailure } from './late-failure.ts';
import type { ImageHost, ImagePlace, OpenImage } from './open-image.ts';
import { type ImageCounters, newCounters, reportLine } from './report.ts';
import { Running } from './running.ts';

const BLOCK = 512;
const RESULTS = { complete: 'complete', incomplete: 'incomplete', abandon: 'abandoned' } as const;
const HOW: Readonly<Record<number, CloseMode>> = {
  [CLOSE_MODE.COMPLETE]: 'complete',
  [CLOSE_MODE.INCOMPLETE]: 'incomplete',
  [CLOSE_MODE.ABANDON]: 'abandon',
};

export interface WriteImageOptions {
  readonly host: ImageHost;
  /** The host's number for it. */
  readonly number: bigint;
  readonly place: ImagePlace;
  readonly handle: WriteHandle;
  /** Slots of its storage. */
  readonly grants: SlotGrants;
  /** Slots that are granted whatever the budget says; asked each time. */
  readonly always: () => number;
  /** Most slots at the same time. */
  readonly window: number;
  /** The clocks of its chain. */
  readonly meters: StageMeters;
  /** Of its trace, when there is one. */
  readonly traceId: string | undefined;
  /** Ends what opening began (usage, counts); called once, when the handle has ended. */
  readonly onEnd: (
    result: ImageResult,
    last: { readonly error: EngineError | undefined; readonly stored: number },
  ) => void;
}

/** An image being written through slots. */
export class WriteImage implements OpenImage {
  readonly place: ImagePlace;
  readonly counters: ImageCounters = newCounters();
  readonly meters: StageMeters;
  readonly #host: ImageHost;
  readonly #grants: SlotGrants;
  readonly #number: bigint;
  readonly #handle: WriteHandle;
  readonly #window: number;
  readonly #traceId: string | undefined;
  readonly #onEnd: WriteImageOptions['onEnd'];
  readonly #share: SlotShare;
  readonly #hostClock: HostClock;
  readonly #uses = new Map<number, SlotUse>();
  readonly #created = new Date().toISOString();
  /** Ends the slot requests that wait: with the failure, or when the handle closes. */
  readonly #stop = new AbortController();
  /** What reads or writes slots beside the handle's own chain: stored tails and blobs on their way. */
  readonly #running = new Running();
  readonly #failure: LateFailure;
  #closing: Promise<unknown> | undefined;
  #ended = false;

  constructor(options: WriteImageOptions) {
    // Every slot request that waits listens.
    setMaxListeners(0, this.#stop.signal);
    this.place = options.place;
    this.#host = options.host;
    this.#grants = options.grants;
    this.#number = options.number;
    this.#handle = options.handle;
    this.#window = options.window;
    this.#traceId = options.traceId;
    this.#onEnd = options.onEnd;
    this.meters = options.meters;
    this.#hostClock = new HostClock('source', 'backup', options.meters);
    this.#share = new SlotShare({ slots: options.always });
    this.#failure = new LateFailure((error) => {
      const notice = { result: RESULT[resultOf(error)], cause: causeOf(error) };
      this.#host.sendError({ handle: this.#number, ...notice });
    });
    options.handle.onFailure((error) => this.#fail(error));
  }

  /** Logical bytes known now. */
  get size(): number {
    return Math.max(this.#handle.size, this.#handle.progress.accepted);
  }

  /** Encoded bytes in storage. */
  get stored(): number {
    return this.#handle.progress.stored;
  }

  /** Parts on their way to storage. */
  get partsInFlight(): number {
    return this.#handle.progress.partsInFlight;
  }

  /** Slots that the host held when the connection broke: full ones are handed over again. */
  adopt(slots: readonly WireAttachSlot[]): void {
    for (const entry of [...slots].sort((a, b) => (a.chunk < b.chunk ? -1 : 1))) {
      const full = entry.state === ATTACH_SLOT.FULL;
      if (!full && entry.state !== ATTACH_SLOT.FILLING) throw wireFault('a slot of a write handle is filling or full');
      const chunk = this.#chunkOf(entry.chunk);
      const use = this.#take(entry.slot, chunk, 'filling');
      use.hold = this.#grants.force(this.#share, this.#handle.chunkBytes);
      if (full) this.#handOver(use, entry.length, (entry.flags & SLOT_LAST) !== 0);
    }
  }

  async want({ chunk, slot }: Question<'SLOT_WANT'>): Promise<Answer<'SLOT_WANT'>> {
    this.#check();
    const number = this.#chunkOf(chunk);
    if (number < this.#handle.firstChunk || [...this.#uses.values()].some((use) => use.chunk === number)) {
      throw invalid(`chunk ${number} was handed over already`);
    }
    if (this.#uses.size >= this.#window) throw invalid(`an image may hold ${this.#window} slots`);
    const use = this.#take(slot, number, 'wanted');
    const asked = performance.now();
    try {
      use.hold = await this.#grants.acquire(this.#share, this.#handle.chunkBytes, this.#stop.signal, () =>
        this.#isLowest(use),
      );
      this.counters.waitedMs += performance.now() - asked;
      const present = await this.#present(use);
      // The close, or the failure, may have come while the store was asked.
      this.#check();
      use.state = 'filling';
      this.#judge();
      return { present };
    } catch (error) {
      this.#free(use);
      throw error;
    }
  }

  full({ chunk, slot, length, flags }: Notice<'SLOT_FULL'>): void {
    const use = this.#uses.get(slot);
    if (use?.state !== 'filling' || BigInt(use.chunk) !== chunk) throw wireFault(`slot ${slot} was not being filled`);
    this.#handOver(use, length, (flags & SLOT_LAST) !== 0);
  }

  giveBack({ slot }: Notice<'SLOT_RETURN'>): void {
    const use = this.#uses.get(slot);
    // One that crossed an answer is for nobody.
    if (use?.state === 'filling') this.#free(use);
  }

  async flush(): Promise<void> {
    await this.#failure.toldBy(async () => {
      this.#check();
      await this.#handle.flush();
    });
  }

  async read(): Promise<never> {
    throw invalid('the image is open for writing');
  }

  async writeMeta({ index, slot, length }: Question<'META_WRITE'>): Promise<void> {
    this.#check();
    checkBlob(index, length, this.#host.arena.layout.slotBytes);
    const use = this.#take(slot, -1, 'meta');
    try {
      await this.#running.run(this.#handle.writeMeta(index, this.#host.arena.slot(slot).subarray(0, length)));
      this.counters.metas += 1;
    } finally {
      this.#free(use);
    }
  }

  async readMeta({ index, slot }: Question<'META_READ'>): Promise<Answer<'META_READ'>> {
    this.#check();
    const use = this.#take(slot, -1, 'reading');
    try {
      const bytes = await this.#running.run(this.#handle.readMeta(index));
      this.#check();
      return fillSlot(this.#host.arena.slot(slot), bytes);
    } finally {
      this.#free(use);
    }
  }

  async info(): Promise<Answer<'IMAGE_PROP'>> {
    const { stored } = this.#handle.progress;
    const info = infoOfPending({ created: this.#created }, IMAGE_FLAG.BUSY_WRITE, { size: this.size, stored });
    return entryOf(this.place.identity, info);
  }

  async close(question: Question<'IMAGE_CLOSE'>): Promise<string> {
    if (this.#closing !== undefined) throw invalid('the image is being closed');
    this.#stop.abort(abandoned('the image was closed'));
    const closing = this.#failure.toldBy(() => this.#close(question));
    this.#closing = closing;
    return closing;
  }

  async #close({ mode, size }: Question<'IMAGE_CLOSE'>): Promise<string> {
    await this.#running.settled();
    const how = HOW[mode];
    const bytes = Number(size);
    const sensible = how !== undefined && Number.isSafeInteger(bytes);
    let result: ImageResult = 'failed';
    try {
      const manifest = await this.#handle.close(sensible ? how : 'abandon', sensible ? bytes : 0);
      if (sensible && how === 'complete') this.place.server.imageCompleted(this.place, bytes, this.stored);
      if (sensible && this.#failure.error === undefined) result = RESULTS[how];
      if (!sensible) throw invalid(how === undefined ? `${mode} is no way to close an image` : 'the size is too large');
      return reportLine(this.counters, {
        image: this.place.imageId,
        lsu: this.place.lsu,
        state: how,
        size: bytes,
        stored: this.stored,
        fragments: manifest?.fragments.length,
        checksum: manifest?.checksum,
        locked_until: manifest?.lock?.until,
        trace: this.#traceId,
      });
    } finally {
      this.#end(result);
    }
  }

  async drop(): Promise<void> {
    this.#stop.abort(abandoned('the connection ended'));
    await this.#running.settled();
    // The session's end stops a close in progress; nothing else ends the handle then.
    if (this.#closing !== undefined) await Promise.allSettled([this.#closing]);
    else await this.#handle.detach();
    this.#end(this.#failure.error === undefined ? 'detached' : 'failed');
  }

  #fail(error: EngineError): void {
    if (this.#ended) return;
    this.#stop.abort(error);
    this.#failure.set(error);
  }

  #check(): void {
    if (this.#failure.error !== undefined) throw this.#failure.error;
    if (this.#stop.signal.aborted) throw abortError(this.#stop.signal);
  }

  #chunkOf(chunk: bigint): number {
    const number = Number(chunk);
    if (!Number.isSafeInteger(number * this.#handle.chunkBytes)) throw invalid(`chunk ${chunk} is too far`);
    return number;
  }

  #take(slot: number, chunk: number, state: SlotUse['state']): SlotUse {
    const use = this.#host.slots.take(slot, this.#number, state, chunk);
    this.#uses.set(slot, use);
    this.#judge();
    return use;
  }

  #free(use: SlotUse): void {
    if (this.#uses.get(use.slot) === use) this.#uses.delete(use.slot);
    this.#host.slots.free(use);
    this.#judge();
    this.#grants.kick(this.#share);
  }

  /** Without this chunk none of the handle's later ones can be stored, and so no slot of it comes back. */
  #isLowest(use: SlotUse): boolean {
    for (const other of this.#uses.values()) if (other.chunk >= 0 && other.chunk < use.chunk) return false;
    return true;
  }

  /** It is the host's turn while it has a slot to fill, or may ask for one and get it. */
  #judge(): void {
    let [filling, wanted] = [false, false];
    for (const { state } of this.#uses.values()) {
      filling ||= state === 'filling';
      wanted ||= state === 'wanted';
    }
    const { arena, slots } = this.#host;
    const free = this.#uses.size < this.#window && slots.size < arena.layout.slotCount;
    this.#hostClock.turn(filling || (!wanted && free));
  }

  /** The stored tail of a reopened image goes into the slot of its chunk. */
  async #present(use: SlotUse): Promise<number> {
    const { firstChunk, chunkBytes, size } = this.#handle;
    if (use.chunk !== firstChunk || size <= firstChunk * chunkBytes) return 0;
    return this.#running.run(this.#handle.present(use.chunk, this.#host.arena.slot(use.slot).subarray(0, chunkBytes)));
  }

  #handOver(use: SlotUse, length: number, last: boolean): void {
    const { chunkBytes } = this.#handle;
    const fits = last ? length <= chunkBytes && length % BLOCK === 0 : length === chunkBytes;
    if (!fits) throw wireFault(`a slot cannot be handed over with ${length} bytes`);
    use.state = 'full';
    this.#judge();
    let held = true;
    const lease = {
      release: () => {
        if (!held) return;
        held = false;
        if (this.#ended) return;
        this.#free(use);
        this.#host.sendFree({ handle: this.#number, slot: use.slot });
      },
    };
    // A last chunk without bytes says nothing; one for a handle that failed is not stored.
    if (length === 0 || this.#failure.error !== undefined) {
      lease.release();
      return;
    }
    this.counters.bytes += length;
    this.#hostClock.moved(length);
    this.counters.slots += 1;
    try {
      this.#handle.put(use.chunk, this.#host.arena.slot(use.slot).subarray(0, length), last, lease);
    } catch (error) {
      this.#fail(engineError(error));
      lease.release();
    }
  }

  #end(result: ImageResult): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#uses.clear();
    this.#host.slots.freeAll(this.#number);
    this.#hostClock.end();
    this.#onEnd(result, { error: this.#failure.error, stored: this.stored });
  }
}
