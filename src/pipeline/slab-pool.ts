import type { Bridge } from '../bridge/bridge.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Lease, LeaseScope } from './lease.ts';

const PAGE_BYTES = 4096;

/** A slab in use: page-aligned memory of our own, never part of Node's shared buffer pool. */
export interface Slab {
  /** Exactly the bytes asked for. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lease: Lease;
}

/** Slabs that nobody uses, by size; the sizes in use are few (the chunk size and that of stored frames). */
class IdleSlabs {
  readonly #bridge: Pick<Bridge, 'freeSlab'>;
  readonly #slabs = new Map<number, ArrayBuffer[]>();
  #bytes = 0;
  #closed = false;

  constructor(bridge: Pick<Bridge, 'freeSlab'>) {
    this.#bridge = bridge;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Unmap all now, and those in use as they come back. */
  close(): void {
    this.#closed = true;
    this.drop(this.#bytes);
  }

  take(size: number): ArrayBuffer | undefined {
    const memory = this.#slabs.get(size)?.pop();
    if (memory !== undefined) this.#bytes -= size;
    return memory;
  }

  give(memory: ArrayBuffer): void {
    if (this.#closed) {
      this.#bridge.freeSlab(memory);
      return;
    }
    const size = memory.byteLength;
    const slabs = this.#slabs.get(size);
    if (slabs === undefined) this.#slabs.set(size, [memory]);
    else slabs.push(memory);
    this.#bytes += size;
  }

  drop(bytes: number): void {
    let dropped = 0;
    for (const [size, slabs] of this.#slabs) {
      while (dropped < bytes) {
        const memory = slabs.pop();
        if (memory === undefined) break;
        this.#bytes -= size;
        dropped += size;
        this.#bridge.freeSlab(memory);
      }
      if (slabs.length === 0) this.#slabs.delete(size);
    }
  }
}

/**
 * Recycled slabs under the byte budget, by size. Reuse keeps the pages warm (a fresh 64 MiB slab costs
 * 16,384 page faults); idle slabs are unmapped as soon as the budget needs the room.
 */
export class SlabPool {
  readonly #bridge: Pick<Bridge, 'allocSlab' | 'freeSlab'>;
  readonly #budget: ByteBudget;
  readonly #idle: IdleSlabs;

  /** @param idle of the pool that this is a view of. */
  constructor(bridge: Pick<Bridge, 'allocSlab' | 'freeSlab'>, budget: ByteBudget, idle?: IdleSlabs) {
    this.#bridge = bridge;
    this.#budget = budget;
    this.#idle = idle ?? new IdleSlabs(bridge);
    if (idle !== undefined) return;
    budget.attachIdle(
      () => this.#idle.bytes,
      (bytes) => this.#idle.drop(bytes),
    );
  }

  /** The same slabs, under a share of the budget. */
  under(share: ByteBudget): SlabPool {
    return new SlabPool(this.#bridge, share, this.#idle);
  }

  /** Bytes mapped but not in use. */
  get idleBytes(): number {
    return this.#idle.bytes;
  }

  /** Wait for budget, then hand out a slab of `length` bytes. Contents are whatever the last user left. */
  async acquire(length: number, scope: LeaseScope, signal?: AbortSignal): Promise<Slab> {
    const size = Math.max(1, Math.ceil(length / PAGE_BYTES)) * PAGE_BYTES;
    let idle: ArrayBuffer | undefined;
    const ticket = await this.#budget.take(size, signal, () => {
      idle = this.#idle.take(size);
    });
    try {
      const memory = idle ?? this.#bridge.allocSlab(size);
      const lease = scope.add(() => {
        // First into the idle list, then the ticket: whoever is waiting finds a warm slab.
        this.#idle.give(memory);
        ticket.release();
      });
      return { bytes: new Uint8Array(memory, 0, length), lease };
    } catch (error) {
      ticket.release();
      throw error;
    }
  }

  /** Unmap idle slabs now, and those in use as they come back. */
  close(): void {
    this.#idle.close();
  }
}
