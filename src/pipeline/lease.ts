import type { Ticket } from './byte-budget.ts';

/** Memory that somebody holds: release it once the bytes in it are no longer needed. */
export interface Lease {
  /** Release once; a second call does nothing. */
  release(): void;
}

/** A lease on room in the budget, taken before it was known what would fill it. */
export interface TicketLease extends Lease {
  /**
   * Fill it with buffers of the garbage collector's; room that is not needed is given back. Their memory is freed with the lease and
   * not when the collector gets round to it, which with buffers of this size is too late.
   */
  adopt(buffers: readonly Uint8Array[]): void;
}

/** A lease on nothing, for memory that is not ours to count (a caller's buffer, a constant). */
export const noLease: Lease = { release: () => undefined };

/**
 * All leases of one image. Chunks may be anywhere in the streams' queues when a pipeline is torn
 * down; the scope knows every lease that was given out and frees what is left when all stages have closed.
 */
export class LeaseScope {
  readonly #live = new Set<Lease>();

  /** Leases not yet released. */
  get size(): number {
    return this.#live.size;
  }

  /** Put a release function under the scope's care. */
  add(release: () => void): Lease {
    const lease: Lease = {
      release: () => {
        if (this.#live.delete(lease)) release();
      },
    };
    this.#live.add(lease);
    return lease;
  }

  /** A lease that gives a ticket back. */
  addTicket(ticket: Ticket): TicketLease {
    let adopted: readonly Uint8Array[] = [];
    const lease = this.add(() => {
      for (const buffer of adopted) discard(buffer);
      ticket.release();
    });
    return {
      release: () => lease.release(),
      adopt: (buffers) => {
        ticket.shrink(buffers.reduce((sum, { byteLength }) => sum + byteLength, 0));
        adopted = buffers;
      },
    };
  }

  /** Release everything that is still held. */
  releaseAll(): void {
    for (const lease of [...this.#live]) lease.release();
  }
}

/** One lease that is released when `count` holders have released theirs (a slab cut into several chunks). */
export function shareLease(lease: Lease, count: number): Lease[] {
  let left = count;
  return Array.from({ length: count }, () => {
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        left -= 1;
        if (left === 0) lease.release();
      },
    };
  });
}

/** Free a buffer's memory now, unless it is a part of something larger. Views of it become empty. */
export function discard(buffer: Uint8Array): void {
  const memory = buffer.buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength === buffer.byteLength && !memory.detached) memory.transfer(0);
}
