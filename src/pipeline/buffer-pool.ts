import type { ByteBudget } from './byte-budget.ts';

/** Few sizes are kept apart, so that those of encoded chunks find each other. */
const STEP_BYTES = 2 ** 20;

/**
 * Memory that can be handed to other threads and comes back, kept for the next chunk: fresh memory costs a page fault for every 4 KiB. Whoever uses a buffer
 * has a ticket for it; idle ones go when the budget needs their room. Small ones are not kept.
 */
export class BufferPool {
  readonly #idle = new Map<number, ArrayBuffer[]>();
  #idleBytes = 0;

  constructor(budget: Pick<ByteBudget, 'attachIdle'>) {
    budget.attachIdle(
      () => this.#idleBytes,
      (bytes) => this.#drop(bytes),
    );
  }

  /** At least so many bytes, with whatever the last user left in them. */
  take(bytes: number): ArrayBuffer {
    if (bytes < STEP_BYTES) return new ArrayBuffer(bytes);
    const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
    const idle = this.#idle.get(size)?.pop();
    if (idle === undefined) return new ArrayBuffer(size);
    this.#idleBytes -= size;
    return idle;
  }

  /** Give back what {@link take} gave, or what another thread has given back of it. */
  give(buffer: ArrayBuffer): void {
    const size = buffer.byteLength;
    if (size === 0 || size % STEP_BYTES !== 0) {
      free(buffer);
      return;
    }
    const idle = this.#idle.get(size) ?? [];
    idle.push(buffer);
    this.#idle.set(size, idle);
    this.#idleBytes += size;
  }

  #drop(bytes: number): void {
    let dropped = 0;
    for (const [size, idle] of this.#idle) {
      for (let buffer = idle.pop(); buffer !== undefined; buffer = dropped < bytes ? idle.pop() : undefined) {
        this.#idleBytes -= size;
        dropped += size;
        free(buffer);
      }
      if (idle.length === 0) this.#idle.delete(size);
      if (dropped >= bytes) return;
    }
  }
}

/** Now, not when the collector gets round to it. */
function free(buffer: ArrayBuffer): void {
  if (!buffer.detached) buffer.transfer(0);
}
