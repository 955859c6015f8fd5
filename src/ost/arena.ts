import type { Bridge, HostBridge, MappedArena } from '../bridge/bridge.ts';
import type { WireHello } from './wire/groups.ts';

const HEADER_BYTES = 4096;
const SLOT_ALIGN = 2 * 1024 * 1024;
const ARENA_MAGIC = 0x314e524154534f56n;
const ARENA_VERSION = 1;
/**
 * Slots share views of this size: V8 counts a view as garbage to come, and collects all there is when one of more than 64 MiB
 * is made, for some 10 ms of the event loop.
 */
const VIEW_BYTES = 1024 * 1024 * 1024;
const BOUNDS = {
  slotBytes: [1024 * 1024, 256 * 1024 * 1024],
  slotCount: [2, 4096],
  journalBytes: [64 * 1024, 16 * 1024 * 1024],
  journalCount: [1, 1024],
} as const;

type ArenaBridge = Pick<HostBridge, 'mapArena' | 'arenaView' | 'prefault' | 'unmapArena'> & Pick<Bridge, 'freeSlab'>;

/** Sizes and places of an arena, bytes: docs/engine-protocol.md section 3. */
export interface ArenaLayout {
  readonly arenaBytes: number;
  readonly slotsOffset: number;
  readonly slotBytes: number;
  readonly slotCount: number;
  readonly journalBytes: number;
  readonly journalCount: number;
}

/** Bytes of a slot, told to somebody who has mapped the same memory. */
export interface SlotSpan {
  readonly slot: number;
  /** From the slot's beginning. */
  readonly at: number;
  readonly length: number;
}

/** The layout that four sizes give; undefined when one is out of bounds. */
export function layoutOf(
  sizes: Pick<ArenaLayout, 'slotBytes' | 'slotCount' | 'journalBytes' | 'journalCount'>,
): ArenaLayout | undefined {
  for (const [name, [least, most]] of Object.entries(BOUNDS)) {
    const value = sizes[name as keyof typeof BOUNDS];
    if (!(Number.isInteger(value) && value >= least && value <= most)) return undefined;
  }
  const { slotBytes, slotCount, journalBytes, journalCount } = sizes;
  if (!Number.isInteger(Math.log2(slotBytes)) || journalBytes % HEADER_BYTES !== 0) return undefined;
  const journals = HEADER_BYTES + journalBytes * journalCount;
  const slotsOffset = Math.ceil(journals / SLOT_ALIGN) * SLOT_ALIGN;
  return {
    arenaBytes: slotsOffset + slotBytes * slotCount,
    slotsOffset,
    slotBytes,
    slotCount,
    journalBytes,
    journalCount,
  };
}

/** The layout that a hello states; undefined when its numbers do not fit each other. */
export function layoutOfHello(hello: WireHello): ArenaLayout | undefined {
  const layout = layoutOf({
    slotBytes: hello.slot_bytes,
    slotCount: hello.slot_count,
    journalBytes: hello.journal_bytes,
    journalCount: hello.journal_count,
  });
  if (layout === undefined) return undefined;
  const { arenaBytes, slotsOffset } = layout;
  return hello.arena_bytes === BigInt(arenaBytes) && hello.slots_offset === BigInt(slotsOffset) ? layout : undefined;
}

/** The header page that a session's arena must begin with. */
export function headerOf(layout: ArenaLayout, session: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeBigUInt64LE(ARENA_MAGIC, 0);
  header.writeUInt32LE(ARENA_VERSION, 8);
  header.writeUInt32LE(HEADER_BYTES, 12);
  header.write(session, 16, 'hex');
  header.writeBigUInt64LE(BigInt(layout.arenaBytes), 32);
  header.writeBigUInt64LE(BigInt(layout.slotsOffset), 40);
  header.writeUInt32LE(layout.slotBytes, 48);
  header.writeUInt32LE(layout.slotCount, 52);
  header.writeUInt32LE(layout.journalBytes, 56);
  header.writeUInt32LE(layout.journalCount, 60);
  return header;
}

/**
 * A host's shared memory, mapped. The host may change every byte at any time: copy before checking what is
 * parsed. Views are made when first asked for, once each, and end with {@link unmap}.
 */
export class Arena {
  readonly layout: ArenaLayout;
  /** The memfd, for threads that map it as well. */
  readonly descriptor: number;
  readonly #bridge: ArenaBridge;
  readonly #mapped: MappedArena;
  readonly #views = new Map<number, ArrayBuffer>();
  /** Views of slots, and the first slot of each. */
  readonly #slots = new Map<ArrayBufferLike, number>();
  /** How much of a slot has its pages, as far as this side knows: bytes from its beginning. */
  readonly #warm = new Map<number, number>();
  readonly #atEnd: (() => void)[] = [];
  #gone = false;

  /** Map the memfd; the descriptor stays the caller's, who closes it when the mapping has ended. Throws errno codes. */
  constructor(bridge: ArenaBridge, descriptor: number, layout: ArenaLayout) {
    this.layout = layout;
    this.descriptor = descriptor;
    this.#bridge = bridge;
    this.#mapped = bridge.mapArena(descriptor, layout.arenaBytes);
  }

  /** A copy of the header page. */
  header(): Buffer {
    return Buffer.from(Buffer.from(this.#view(0, HEADER_BYTES)));
  }

  /** Slot `slot`, all of it. The caller has checked the number. */
  slot(slot: number): Uint8Array {
    const { slotsOffset, slotBytes, slotCount } = this.layout;
    const together = Math.ceil(VIEW_BYTES / slotBytes);
    const first = slot - (slot % together);
    const view = this.#view(slotsOffset + first * slotBytes, Math.min(together, slotCount - first) * slotBytes);
    this.#slots.set(view, first);
    return new Uint8Array(view, (slot - first) * slotBytes, slotBytes);
  }

  /** Have the pages of the first `bytes` of a slot made, so that no thread of JavaScript stops for them when it writes there. */
  async prefault(slot: number, bytes: number): Promise<void> {
    const warm = this.#warm.get(slot) ?? 0;
    if (warm >= bytes) return;
    await this.#bridge.prefault(this.slot(slot).subarray(warm, bytes));
    this.#warm.set(slot, bytes);
  }

  /** Pages of slots may be gone, which a host gives back when it has closed an image: to be called when the next one is opened. */
  cooled(): void {
    this.#warm.clear();
  }

  /** The place of bytes that are part of a {@link slot}; undefined for others. */
  spanOf({ buffer, byteOffset, byteLength }: Uint8Array): SlotSpan | undefined {
    const first = this.#slots.get(buffer);
    if (first === undefined) return undefined;
    const { slotBytes } = this.layout;
    return { slot: first + Math.floor(byteOffset / slotBytes), at: byteOffset % slotBytes, length: byteLength };
  }

  /** The bytes of a place. */
  span({ slot, at, length }: SlotSpan): Uint8Array {
    return this.slot(slot).subarray(at, at + length);
  }

  /** Journal region `region`. The caller has checked the number. */
  journal(region: number): Uint8Array {
    const { journalBytes } = this.layout;
    return new Uint8Array(this.#view(HEADER_BYTES + region * journalBytes, journalBytes));
  }

  /** Called when the mapping ends. */
  atEnd(listener: () => void): void {
    this.#atEnd.push(listener);
  }

  /** End every view and the mapping. Nothing may be using them any more. A second call does nothing. */
  unmap(): void {
    this.#gone = true;
    for (const view of this.#views.values()) this.#bridge.freeSlab(view);
    this.#views.clear();
    this.#slots.clear();
    this.#bridge.unmapArena(this.#mapped);
    for (const listener of this.#atEnd.splice(0)) listener();
  }

  #view(offset: number, bytes: number): ArrayBuffer {
    const known = this.#views.get(offset);
    if (known !== undefined) return known;
    if (this.#gone) throw new Error('the arena was unmapped');
    const view = this.#bridge.arenaView(this.#mapped, offset, bytes);
    this.#views.set(offset, view);
    return view;
  }
}
