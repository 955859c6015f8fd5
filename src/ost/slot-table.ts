import type { SlotHold } from './slot-grants.ts';
import { wireFault } from './wire/bytes.ts';

/** Whose a slot is while it is not free: docs/engine-protocol.md section 3. */
export type SlotState = 'wanted' | 'filling' | 'full' | 'reading' | 'read' | 'meta';

/** A slot that is not free. */
export interface SlotUse {
  readonly slot: number;
  readonly handle: bigint;
  /** The chunk it is for, when it is for one. */
  readonly chunk: number;
  state: SlotState;
  /** Its place in the memory budget. */
  hold: SlotHold | undefined;
}

/** The slots of one session. A message that contradicts it is a wire fault: the sides disagree about who owns memory. */
export class SlotTable {
  readonly #count: number;
  readonly #uses = new Map<number, SlotUse>();

  /** @param count slots of the arena. */
  constructor(count: number) {
    this.#count = count;
  }

  /** Slots in use. */
  get size(): number {
    return this.#uses.size;
  }

  /** Whose the slots in use are, one entry for each. */
  *states(): Generator<SlotState> {
    for (const { state } of this.#uses.values()) yield state;
  }

  /** A free slot gets a use. */
  take(slot: number, handle: bigint, state: SlotState, chunk = -1): SlotUse {
    if (slot >= this.#count) throw wireFault(`slot ${slot} does not exist`);
    if (this.#uses.has(slot)) throw wireFault(`slot ${slot} is not free`);
    const use: SlotUse = { slot, handle, chunk, state, hold: undefined };
    this.#uses.set(slot, use);
    return use;
  }

  /** The use of a slot by this handle, if there is one. */
  find(slot: number, handle: bigint): SlotUse | undefined {
    const use = this.#uses.get(slot);
    return use?.handle === handle ? use : undefined;
  }

  /** The slot is free again. Once or twice. */
  free(use: SlotUse): void {
    if (this.#uses.get(use.slot) === use) this.#uses.delete(use.slot);
    use.hold?.release();
    use.hold = undefined;
  }

  /** Every slot of a handle is free again. */
  freeAll(handle: bigint): void {
    for (const use of [...this.#uses.values()]) if (use.handle === handle) this.free(use);
  }
}
