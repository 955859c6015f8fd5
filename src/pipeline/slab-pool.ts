import type { Bridge } from '../bridge/bridge.ts';
import type { Budget } from './byte-budget.ts';
import type { Lease, LeaseScope } from './lease.ts';

const PAGE_BYTES = 4096;
/** Sizes of outputs are many; few are kept apart, so that they find each other. */
const STEP_BYTES = 2 ** 20;
/** Memory of an output beyond what is used of it that is not worth giving back, as a share of that. */
const SLACK = 1 / 4;

/** A slab in use: page-aligned memory of our own, never part of Node's shared buffer pool. */
export interface Slab {
  /** Exactly the bytes asked for. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lease: Lease;
}

/** A slab for what a stage makes of a chunk, of which it is not known yet how long it is. */
export interface OutputSlab {
  /** All of it: at least the bytes asked for. */
  readonly memory: ArrayBuffer;
  readonly lease: Lease;
  /**
   * Settle what is used: room and memory beyond that are given back.
   *
   * @param written how far it was written to.
   * @returns the bytes that are used, page-aligned.
   */
  keep(bytes: number, written: number): Uint8Array<ArrayBuffer>;
  /** Nothing was written: give it back as it is. */
  unused(): void;
}

/** What {@link SlabPool.acquireOutput} takes of the budget for so many bytes. */
export function outputBytes(bytes: number): number {
  if (bytes > STEP_BYTES) return Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
  return Math.max(PAGE_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
}

interface IdleSlab {
  readonly memory: ArrayBuffer;
  /** How far it has pages. */
  readonly touched: number;
}

/** Slabs that nobody uses, by size; the sizes in use are few (the chunk size and that of stored frames). */
class IdleSlabs {
  readonly #bridge: Pick<Bridge, 'freeSlab'>;
  readonly #slabs = new Map<number, IdleSlab[]>();
  #bytes = 0;
  #closed = false;

  constructor(bridge: Pick<Bridge, 'freeSlab'>) {
    this.#bridge = bridge;
  }

  /** Of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Unmap all now, and those in use as they come back. */
  close(): void {
    this.#closed = true;
    this.drop(Number.POSITIVE_INFINITY);
  }

  take(size: number): IdleSlab | undefined {
    const slab = this.#slabs.get(size)?.pop();
    if (slab !== undefined) this.#bytes -= slab.touched;
    return slab;
  }

  give(slab: IdleSlab): void {
    if (this.#closed) {
      this.#bridge.freeSlab(slab.memory);
      return;
    }
    const size = slab.memory.byteLength;
    const slabs = this.#slabs.get(size);
    if (slabs === undefined) this.#slabs.set(size, [slab]);
    else slabs.push(slab);
    this.#bytes += slab.touched;
  }

  drop(bytes: number): void {
    let dropped = 0;
    for (const [size, slabs] of this.#slabs) {
      while (dropped < bytes) {
        const slab = slabs.pop();
        if (slab === undefined) break;
        this.#bytes -= slab.touched;
        dropped += slab.touched;
        this.#bridge.freeSlab(slab.memory);
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
  readonly #bridge: Pick<Bridge, 'allocSlab' | 'freeSlab' | 'trimSlab'>;
  readonly #budget: Budget;
  readonly #idle: IdleSlabs;

  /** @param idle of the pool that this is a view of. */
  constructor(bridge: Pick<Bridge, 'allocSlab' | 'freeSlab' | 'trimSlab'>, budget: Budget, idle?: IdleSlabs) {
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
  under(share: Budget): SlabPool {
    return new SlabPool(this.#bridge, share, this.#idle);
  }

  /** Bytes of memory that are not in use. */
  get idleBytes(): number {
    return this.#idle.bytes;
  }

  /** Wait for budget, then hand out a slab of `length` bytes. Contents are whatever the last user left. */
  async acquire(length: number, scope: LeaseScope, signal?: AbortSignal): Promise<Slab> {
    const size = pagesOf(Math.max(1, length));
    let idle: IdleSlab | undefined;
    const ticket = await this.#budget.take(size, signal, () => {
      idle = this.#idle.take(size);
    });
    try {
      const memory = idle?.memory ?? this.#bridge.allocSlab(size);
      const lease = scope.add(() => {
        // First into the idle list, then the ticket: whoever is waiting finds a warm slab.
        this.#idle.give({ memory, touched: size });
        ticket.release();
      });
      return { bytes: new Uint8Array(memory, 0, length), lease };
    } catch (error) {
      ticket.release();
      throw error;
    }
  }

  /**
   * As {@link acquire}, for a stage's output of at most `length` bytes; see {@link Budget.takeForOutput}.
   *
   * @param memory whose budget is asked, which may be a watched one of the same.
   */
  async acquireOutput(
    length: number,
    memory: { readonly budget: Pick<Budget, 'takeForOutput'>; readonly scope: LeaseScope },
    signal?: AbortSignal,
  ): Promise<OutputSlab> {
    const size = outputBytes(length);
    let idle: IdleSlab | undefined;
    const ticket = await memory.budget.takeForOutput(size, signal, () => {
      idle = this.#idle.take(size);
    });
    try {
      const slab = idle?.memory ?? this.#bridge.allocSlab(size);
      const before = idle?.touched ?? 0;
      let touched = size;
      const lease = memory.scope.add(() => {
        this.#idle.give({ memory: slab, touched });
        ticket.release();
      });
      return {
        memory: slab,
        lease,
        keep: (bytes, written) => {
          touched = Math.max(before, pagesOf(written));
          const used = pagesOf(bytes);
          if (touched - used > Math.max(STEP_BYTES, used * SLACK)) {
            this.#bridge.trimSlab(slab, used);
            touched = used;
          }
          ticket.shrink(touched);
          return new Uint8Array(slab, 0, bytes);
        },
        unused: () => {
          touched = before;
          lease.release();
        },
      };
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

function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}
