import type { Budget, Ticket } from '../../pipeline/byte-budget.ts';
import { plainError } from './plain-error.ts';
import type { FromLane, ToLane } from './protocol.ts';

/** What a lane holds of the process's budget, and asks for. When the lane has gone, all of it comes back. */
export class BudgetBroker {
  readonly #budget: Budget;
  readonly #send: (message: ToLane) => void;
  readonly #waiting = new Map<number, AbortController>();
  readonly #tickets = new Map<number, Ticket>();
  readonly #reserves = new Map<number, () => void>();
  #idle = 0;

  constructor(budget: Budget, send: (message: ToLane) => void) {
    this.#budget = budget;
    this.#send = send;
    budget.attachIdle(
      () => this.#idle,
      (bytes) => {
        // The lane lets go of it soon; until it says so, nobody is to ask again.
        this.#idle -= Math.min(bytes, this.#idle);
        send({ say: 'reclaim', bytes });
      },
    );
  }

  /** Memory that the lane's pools keep unused, as far as is known. */
  get idle(): number {
    return this.#idle;
  }

  set idle(bytes: number) {
    this.#idle = bytes;
  }

  async take({ ticket, share, bytes, output, idle }: Extract<FromLane, { say: 'take' }>): Promise<void> {
    this.#idle = idle;
    const stop = new AbortController();
    this.#waiting.set(ticket, stop);
    try {
      const { signal } = stop;
      const budget = this.#of(share);
      const granted = await (output ? budget.takeForOutput(bytes, signal) : budget.take(bytes, signal));
      if (this.#waiting.delete(ticket)) {
        this.#tickets.set(ticket, granted);
        this.#send({ say: 'granted', ticket });
      } else {
        granted.release();
      }
    } catch (error) {
      if (this.#waiting.delete(ticket)) this.#send({ say: 'refused', ticket, error: plainError(error) });
    }
  }

  keep({ ticket: number, bytes, idle }: Extract<FromLane, { say: 'keep' }>): void {
    this.#idle = idle;
    const waiting = this.#waiting.get(number);
    if (waiting !== undefined) {
      this.#waiting.delete(number);
      waiting.abort();
      return;
    }
    const ticket = this.#tickets.get(number);
    if (bytes === 0) this.#tickets.delete(number);
    if (bytes === 0) ticket?.release();
    else ticket?.shrink(bytes);
  }

  reserve({ reserve, share, bytes }: Extract<FromLane, { say: 'reserve' }>): void {
    this.#reserves.set(reserve, this.#of(share).reserveForOutput(bytes));
  }

  unreserve(reserve: number): void {
    this.#reserves.get(reserve)?.();
    this.#reserves.delete(reserve);
  }

  /** The lane has gone. */
  releaseAll(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const stop of waiting) stop.abort();
    for (const ticket of this.#tickets.values()) ticket.release();
    this.#tickets.clear();
    for (const end of this.#reserves.values()) end();
    this.#reserves.clear();
    this.#idle = 0;
  }

  #of(share: string | undefined): Budget {
    return share === undefined ? this.#budget : this.#budget.share(share);
  }
}
