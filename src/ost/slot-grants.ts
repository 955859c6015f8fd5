import { abortError } from '../errors.ts';
import type { Budget, Ticket } from '../pipeline/byte-budget.ts';

/** The right to fill a slot. */
export interface SlotHold {
  /** The slot needs only so many bytes. */
  shrink(bytes: number): void;
  /** A second call does nothing. */
  release(): void;
}

/** Ranges up to this length count as small: what a scattered reader keeps. */
const SMALL_BYTES = 2 * 1024 * 1024;

export interface ShareOptions {
  /** Slots that the handle may always hold, whatever the budget says; asked each time. */
  readonly slots: () => number;
  /** Further slots for small ranges. Default 0. */
  readonly smallSlots?: number;
}

interface Waiter {
  readonly share: SlotShare;
  readonly bytes: number;
  /** Whether the handle cannot go on without this slot. */
  readonly urgent: () => boolean;
  readonly grant: (ticket: Ticket | undefined) => void;
}

/** What one handle holds. */
export class SlotShare {
  readonly options: ShareOptions;
  /** Bytes of the slots held now. */
  held = 0;
  /** Slots held outside of the budget. */
  free = 0;
  smallFree = 0;

  constructor(options: ShareOptions) {
    this.options = options;
  }
}

/**
 * Decides who may have a slot: the engine's backpressure. A few slots per handle are granted always (writers that wait for each
 * other would stand still otherwise); what is beyond comes out of the byte budget, and goes to the handle that holds the
 * fewest bytes, first come first served among equals.
 */
export class SlotGrants {
  readonly #budget: Budget;
  readonly #waiters: Waiter[] = [];
  /** Ends the request to the budget that runs. */
  #taking: AbortController | undefined;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** Requests waiting now. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /**
   * Wait for a slot of `bytes`. Rejects with the signal's reason. `urgent` is asked again at every
   * {@link kick}: a slot without which the handle's others can never be freed is granted at once.
   */
  async acquire(
    share: SlotShare,
    bytes: number,
    signal: AbortSignal,
    urgent: () => boolean = () => false,
  ): Promise<SlotHold> {
    if (signal.aborted) throw abortError(signal);
    const free = this.#freeOf(share, bytes);
    if (free !== undefined) return this.#hold(share, bytes, undefined, free);
    return new Promise<SlotHold>((resolve, reject) => {
      const waiter: Waiter = {
        share,
        bytes,
        urgent,
        grant: (ticket) => {
          signal.removeEventListener('abort', onAbort);
          this.#remove(waiter);
          resolve(this.#hold(share, bytes, ticket, ticket === undefined ? 'free' : undefined));
        },
      };
      const onAbort = (): void => {
        this.#remove(waiter);
        reject(abortError(signal));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      this.kick(share);
      void this.#take();
    });
  }

  /** A slot that the handle holds already, from before a reconnect. */
  force(share: SlotShare, bytes: number): SlotHold {
    return this.#hold(share, bytes, undefined, 'free');
  }

  /** Something changed for the handle: look again whether what it waits for is its to have at once. */
  kick(share: SlotShare): void {
    for (const waiter of this.#waiters.filter((one) => one.share === share)) {
      if (this.#freeOf(share, waiter.bytes) !== undefined || waiter.urgent()) waiter.grant(undefined);
    }
  }

  #freeOf(share: SlotShare, bytes: number): 'free' | 'smallFree' | undefined {
    const { slots, smallSlots = 0 } = share.options;
    if (bytes <= SMALL_BYTES && share.smallFree < smallSlots) return 'smallFree';
    return share.free < slots() ? 'free' : undefined;
  }

  #hold(
    share: SlotShare,
    bytes: number,
    ticket: Ticket | undefined,
    counter: 'free' | 'smallFree' | undefined,
  ): SlotHold {
    let live = true;
    share.held += bytes;
    if (counter !== undefined) share[counter] += 1;
    return {
      shrink: (bytes) => ticket?.shrink(bytes),
      release: () => {
        if (!live) return;
        live = false;
        share.held -= bytes;
        if (counter !== undefined) share[counter] -= 1;
        ticket?.release();
        this.kick(share);
      },
    };
  }

  #remove(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
    // Nobody wants the memory any more: do not stand in others' way.
    if (this.#waiters.length === 0) this.#taking?.abort();
  }

  /** The waiter whose turn it is, among those that `bytes` are enough for. */
  #next(bytes = Number.POSITIVE_INFINITY): Waiter | undefined {
    let best: Waiter | undefined;
    for (const waiter of this.#waiters) {
      if (waiter.bytes <= bytes && (best === undefined || waiter.share.held < best.share.held)) best = waiter;
    }
    return best;
  }

  /** One request to the budget at a time; whose turn it is, is decided when it is granted. */
  async #take(): Promise<void> {
    if (this.#taking !== undefined) return;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#taking = new AbortController();
      const ticket = await this.#ticket(next.bytes, this.#taking.signal);
      const winner = ticket && this.#next(ticket.bytes === this.#budget.total ? undefined : ticket.bytes);
      if (winner === undefined) {
        ticket?.release();
      } else {
        ticket?.shrink(winner.bytes);
        winner.grant(ticket);
      }
    }
    this.#taking = undefined;
  }

  /** A slot larger than the whole budget gets all of it. Undefined when the signal came first. */
  async #ticket(bytes: number, signal: AbortSignal): Promise<Ticket | undefined> {
    try {
      return await this.#budget.take(Math.min(bytes, this.#budget.total), signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }
}
