const MIB = 1024 * 1024;

export interface SlotPlanInput {
  /** Configured chunk length, bytes. */
  readonly chunkBytes: number;
  /** Configured size of the first parts, bytes. */
  readonly partBytes: number;
  /** Slot length of the host's arena, bytes. */
  readonly slotBytes: number;
  readonly slotCount: number;
  /** Smallest part that the store takes, bytes. */
  readonly minPartBytes: number;
  /** Images being written now, without the new one. */
  readonly openWriters: number;
  /** Bytes that all always-granted slots together should stay below. */
  readonly reserve: number;
  /** Configured slots per image. */
  readonly slotsPerImage: number;
}

export interface SlotPlan {
  readonly chunkBytes: number;
  readonly partBytes: number;
  /** Most slots that the handle may hold. */
  readonly window: number;
}

/**
 * Chunk length of a new image. Every image being written may always hold some slots, so many images at once get shorter chunks: this
 * keeps the sum bounded. Never shorter than a part of the store needs, as far as the host's slots allow.
 */
export function planSlots(input: SlotPlanInput): SlotPlan {
  const { slotBytes, minPartBytes, reserve, openWriters } = input;
  const least = Math.min(slotBytes, Math.max(1, Math.ceil(minPartBytes / MIB)) * MIB);
  const share = Math.floor(reserve / (4 * (openWriters + 1)) / MIB) * MIB;
  const wanted = Math.min(input.chunkBytes, slotBytes);
  const chunkBytes = Math.max(Math.min(wanted, share), Math.min(wanted, least));
  const partBytes = Math.max(minPartBytes, chunkBytes < input.chunkBytes ? chunkBytes : input.partBytes);
  const window = Math.min(Math.max(input.slotsPerImage, slotsToSend(partBytes, chunkBytes)), input.slotCount);
  return { chunkBytes, partBytes, window };
}

/** Enough slots for one part on its way to storage and one chunk that the host fills. */
export function slotsToSend(partBytes: number, chunkBytes: number): number {
  return 1 + Math.ceil(partBytes / chunkBytes);
}

/**
 * Slots that a handle is always granted: {@link slotsToSend} while its fair share of the reserve holds them, else one part's. An
 * image that began alone has long chunks: beside many others it sends and fills in turns, unless the budget has room.
 */
export function slotsAlways(
  { partBytes, chunkBytes }: Pick<SlotPlan, 'partBytes' | 'chunkBytes'>,
  reserve: number,
  openWriters: number,
): number {
  const slots = slotsToSend(partBytes, chunkBytes);
  return slots * chunkBytes <= reserve / Math.max(1, openWriters) ? slots : slots - 1;
}
