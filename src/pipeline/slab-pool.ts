import type { Bridge } from '../bridge/bridge.ts';
import type { Budget } from './byte-budget.ts';
import type { Lease, LeaseScope } from './lease.ts';

const PAGE_BYTES = 4096;

/** A slab in use: page-aligned memory of our own, never part of Node's shared buffer pool. */
export interface Slab {
  /** Exactly the bytes asked for. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lease: Lease;
}

/**
 * Recycled slabs under the byte budget, by size. Reuse keeps the pages warm (a fresh 64 MiB slab costs
 * 16,384 page faults); idle slabs are unmapped as soon as the budget needs the room.
 */
export class SlabPool {
  readonly #bridge: Pick<Bridge, 'allocSlab' | 'freeSlab'>;
  readonly #budget: Budget;
  /** Idle slabs by size; the sizes in use are few (the chunk size and that of stored frames). */
  readonly #idle = new Map<number, ArrayBuffer[]>();
  #idleBytes = 0;
  #closed = false;

  constructor(bridge: Pick<Bridge, 'allocSlab' | 'freeSlab'>, budget: Budget) {
    this.#bridge = bridge;
    this.#budget = budget;
    budget.attachIdle(
      () => this.#idleBytes,
      (bytes) => this.#dropIdle(bytes),
    );
  }

  /** Bytes mapped but not in use. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** Wait for budget, then hand out a slab of `length` bytes. Contents are whatever the last user left. */
  async acquire(length: number, scope: LeaseScope, signal?: AbortSignal): Promise<Slab> {
    const size = Math.max(1, Math.ceil(length / PAGE_BYTES)) * PAGE_BYTES;
    let idle: ArrayBuffer | undefined;
    const ticket = await this.#budget.take(size, signal, () => {
      idle = this.#takeIdle(size);
    });
    try {
      const memory = idle ?? this.#bridge.allocSlab(size);
      const lease = scope.add(() => {
        // First into the idle list, then the ticket: whoever is waiting finds a warm slab.
        this.#giveIdle(memory);
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
    this.#closed = true;
    this.#dropIdle(this.#idleBytes);
  }

  #takeIdle(size: number): ArrayBuffer | undefined {
    const memory = this.#idle.get(size)?.pop();
    if (memory !== undefined) this.#idleBytes -= size;
    return memory;
  }

  #giveIdle(memory: ArrayBuffer): void {
    if (this.#closed) {
      this.#bridge.freeSlab(memory);
      return;
    }
    const size = memory.byteLength;
    const slabs = this.#idle.get(size);
    if (slabs === undefined) this.#idle.set(size, [memory]);
    else slabs.push(memory);
    this.#idleBytes += size;
  }

  #dropIdle(bytes: number): void {
    let dropped = 0;
    for (const [size, slabs] of this.#idle) {
      while (dropped < bytes) {
        const memory = slabs.pop();
        if (memory === undefined) break;
        this.#idleBytes -= size;
        dropped += size;
        this.#bridge.freeSlab(memory);
      }
      if (slabs.length === 0) this.#idle.delete(size);
    }
  }
}
