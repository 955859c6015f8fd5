import { setMaxListeners } from 'node:events';
import { abortError, type EngineError } from '../../errors.ts';
import type { ReadHandle, ReadRange } from '../../image/image-backend.ts';
import type { StageMeters } from '../../pipeline/stage-meters.ts';
import { abandoned, engineError, invalid } from '../errors.ts';
import type { ImageResult } from '../image-tally.ts';
import { type SlotGrants, SlotShare } from '../slot-grants.ts';
import type { SlotUse } from '../slot-table.ts';
import { wireFault } from '../wire/bytes.ts';
import { ATTACH_SLOT, CLOSE_MODE, IMAGE_FLAG, RANGE_EOF, READ_HINT } from '../wire/constants.ts';
import type { WireAttachSlot } from '../wire/groups.ts';
import type { Answer, Notice, Question } from '../wire/messages.ts';
import { fillSlot } from './blob-slot.ts';
import { HostClock } from './host-clock.ts';
import { entryOf, infoOfManifest } from './image-info.ts';
import type { ImageHost, ImagePlace, OpenImage } from './open-image.ts';
import { type ImageCounters, newCounters, reportLine } from './report.ts';
import { Running } from './running.ts';
import { Turns } from './turns.ts';

/** Slots that a reader may always hold: one that the host reads and one on its way, and the few ranges that a scattered reader keeps. */
const ALWAYS = { slots: () => 2, smallSlots: 4 };
/** Verification works on leaves: a range grows to their borders. */
const LEAF_BYTES = 1024 * 1024;

export interface ReadImageOptions {
  readonly host: ImageHost;
  readonly number: bigint;
  readonly place: ImagePlace;
  readonly handle: ReadHandle;
  /** Slots of its storage. */
  readonly grants: SlotGrants;
  /** Most bytes of one range. */
  readonly maxRange: number;
  /** How many ranges of a reader in order should be on their way; asked each time. */
  readonly ahead: () => number;
  /** Milliseconds since the epoch. */
  readonly lockedUntil: () => Promise<number>;
  /** The clocks of its chain. */
  readonly meters: StageMeters;
  /** Of its trace, when there is one. */
  readonly traceId: string | undefined;
  readonly onEnd: (result: ImageResult, error: EngineError | undefined) => void;
}

/** An image being read through slots. */
export class ReadImage implements OpenImage {
  readonly place: ImagePlace;
  readonly counters: ImageCounters = newCounters();
  readonly meters: StageMeters;
  readonly #host: ImageHost;
  readonly #grants: SlotGrants;
  readonly #number: bigint;
  readonly #handle: ReadHandle;
  readonly #maxRange: number;
  readonly #turns: Turns;
  readonly #traceId: string | undefined;
  readonly #lockedUntil: () => Promise<number>;
  readonly #onEnd: ReadImageOptions['onEnd'];
  readonly #hostClock: HostClock;
  readonly #share = new SlotShare(ALWAYS);
  readonly #uses = new Map<number, SlotUse>();
  readonly #stop = new AbortController();
  /** Reads and blobs in progress: they write into slots. */
  readonly #running = new Running();
  #closing: Promise<void> | undefined;
  #reading = 0;
  /** Of the first read that did not work. */
  #failure: EngineError | undefined;

  constructor(options: ReadImageOptions) {
    // Every slot request that waits listens.
    setMaxListeners(0, this.#stop.signal);
    this.place = options.place;
    this.#host = options.host;
    this.#grants = options.grants;
    this.#number = options.number;
    this.#handle = options.handle;
    this.#maxRange = options.maxRange;
    this.#turns = new Turns(options.ahead);
    this.#traceId = options.traceId;
    this.#lockedUntil = options.lockedUntil;
    this.#onEnd = options.onEnd;
    this.meters = options.meters;
    this.#hostClock = new HostClock('target', 'restore', options.meters);
  }

  /** Logical bytes of the image. */
  get size(): number {
    return this.#handle.manifest.size;
  }

  /** Slots that the host served reads from when the connection broke. */
  adopt(slots: readonly WireAttachSlot[]): void {
    for (const entry of slots) {
      if (entry.state !== ATTACH_SLOT.READ) throw wireFault('a slot of a read handle is read');
      this.#take(entry.slot, 'read').hold = this.#grants.force(this.#share, entry.length);
    }
  }

  async want(): Promise<never> {
    throw invalid('the image is open for reading');
  }

  full(): void {
    throw wireFault('a read handle has no slots to hand over');
  }

  giveBack({ slot }: Notice<'SLOT_RETURN'>): void {
    const use = this.#uses.get(slot);
    if (use?.state === 'read') this.#free(use);
  }

  async flush(): Promise<never> {
    throw invalid('the image is open for reading');
  }

  async writeMeta(): Promise<never> {
    throw invalid('the image is open for reading');
  }

  read({ offset, length, slot, hint }: Question<'IMAGE_READ'>): Promise<Answer<'IMAGE_READ'>> {
    return this.#run(slot, async (use) => {
      const start = Number(offset);
      if (!Number.isSafeInteger(start)) throw invalid(`offset ${offset} is too far`);
      const sequential = hint === READ_HINT.SEQUENTIAL;
      const most = Math.min(this.#maxRange, this.#host.arena.layout.slotBytes);
      const leaves = (start % LEAF_BYTES) + length + LEAF_BYTES - 1;
      // The next range begins where this one was to end: it is asked for already.
      const room = sequential ? Math.min(most, leaves - (leaves % LEAF_BYTES)) : most;
      const likely = Math.min(room, Math.ceil(length / LEAF_BYTES) * LEAF_BYTES + LEAF_BYTES);
      const asked = performance.now();
      if (sequential) await this.#turns.mine(this.#stop.signal);
      let range: ReadRange;
      try {
        use.hold = await this.#grants.acquire(this.#share, likely, this.#stop.signal);
        this.counters.waitedMs += performance.now() - asked;
        if (sequential) await this.#host.arena.prefault(slot, likely);
        const into = this.#host.arena.slot(slot).subarray(0, room);
        range = await this.#handle.read(start, Math.min(length, room), into, sequential, this.#stop.signal);
      } finally {
        if (sequential) this.#turns.done();
      }
      if (this.#stop.signal.aborted) throw abortError(this.#stop.signal);
      use.hold.shrink(range.slotOffset + range.length);
      use.state = 'read';
      this.counters.bytes += range.length;
      this.#hostClock.moved(range.length);
      this.counters.slots += 1;
      return {
        start: BigInt(range.start),
        length: range.length,
        slot_offset: range.slotOffset,
        flags: range.eof ? RANGE_EOF : 0,
      };
    });
  }

  readMeta({ index, slot }: Question<'META_READ'>): Promise<Answer<'META_READ'>> {
    return this.#run(slot, async (use) => {
      const bytes = await this.#handle.readMeta(index);
      if (this.#stop.signal.aborted) throw abortError(this.#stop.signal);
      const filled = fillSlot(this.#host.arena.slot(slot), bytes);
      this.counters.metas += 1;
      this.#free(use);
      return filled;
    });
  }

  async info(): Promise<Answer<'IMAGE_PROP'>> {
    const until = await this.#lockedUntil();
    return entryOf(this.place.identity, infoOfManifest(this.#handle.manifest, IMAGE_FLAG.BUSY_READ, until));
  }

  async close({ mode }: Question<'IMAGE_CLOSE'>): Promise<string> {
    if (this.#closing !== undefined) throw invalid('the image is being closed');
    await this.#finish(abandoned('the image was closed'), 'complete');
    if (mode !== CLOSE_MODE.READ) throw invalid(`${mode} is no way to close an image that was read`);
    const { imageId: image, lsu } = this.place;
    return reportLine(this.counters, { image, lsu, state: 'read', trace: this.#traceId });
  }

  async drop(): Promise<void> {
    await this.#finish(abandoned('the connection ended'), 'detached').catch(() => undefined);
  }

  /** End the handle, once: stop what writes into slots and wait for it. */
  #finish(reason: Error, result: ImageResult): Promise<void> {
    this.#closing ??= (async () => {
      this.#stop.abort(reason);
      await this.#running.settled();
      try {
        await this.#handle.close();
      } finally {
        this.#uses.clear();
        this.#host.slots.freeAll(this.#number);
        this.#hostClock.end();
        this.#onEnd(this.#failure === undefined ? result : 'failed', this.#failure);
      }
    })();
    return this.#closing;
  }

  /** Work that writes into a slot; the slot is free again when it fails. */
  async #run<T>(slot: number, work: (use: SlotUse) => Promise<T>): Promise<T> {
    if (this.#stop.signal.aborted) throw abortError(this.#stop.signal);
    const use = this.#take(slot, 'reading');
    this.#reading += 1;
    this.#hostClock.turn(false);
    try {
      return await this.#running.run(work(use));
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#failure ??= engineError(error);
      this.#free(use);
      throw error;
    } finally {
      this.#reading -= 1;
      this.#hostClock.turn(this.#reading === 0);
    }
  }

  #take(slot: number, state: SlotUse['state']): SlotUse {
    const use = this.#host.slots.take(slot, this.#number, state);
    this.#uses.set(slot, use);
    return use;
  }

  #free(use: SlotUse): void {
    if (this.#uses.get(use.slot) === use) this.#uses.delete(use.slot);
    this.#host.slots.free(use);
  }
}
