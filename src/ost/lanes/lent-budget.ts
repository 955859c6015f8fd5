import { abortError } from '../../errors.ts';
import type { Budget, Ticket } from '../../pipeline/byte-budget.ts';
import { errorOf, type PlainError } from './plain-error.ts';
import type { FromLane } from './protocol.ts';

interface Waiter {
  readonly grant: () => void;
  readonly refuse: (error: Error) => void;
}

interface Wish {
  readonly bytes: number;
  readonly output: boolean;
  readonly share: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onGrant: (() => void) | undefined;
}

/**
 * The process's budget as a lane sees it: every ticket is asked of the main thread, so that there is one bound and one queue for all lanes. A
 * ticket is for a chunk or more; what asking costs does not show.
 */
export class LentBudget implements Budget {
  readonly total: number;
  readonly #send: (message: FromLane) => void;
  readonly #waiting = new Map<number, Waiter>();
  readonly #shares = new Map<string, Budget>();
  readonly #pools: { readonly idle: () => number; readonly reclaim: (bytes: number) => void }[] = [];
  #numbers = 0;
  #used = 0;

  constructor(total: number, send: (message: FromLane) => void) {
    this.total = total;
    this.#send = send;
  }

  /** Bytes granted to this lane now. */
  get used(): number {
    return this.#used;
  }

  /** Memory that this lane's pools keep unused. */
  get idle(): number {
    return this.#pools.reduce((sum, pool) => sum + pool.idle(), 0);
  }

  take(bytes: number, signal?: AbortSignal, onGrant?: () => void): Promise<Ticket> {
    return this.#ask({ bytes, output: false, share: undefined, signal, onGrant });
  }

  takeForOutput(bytes: number, signal?: AbortSignal, onGrant?: () => void): Promise<Ticket> {
    return this.#ask({ bytes, output: true, share: undefined, signal, onGrant });
  }

  reserveForOutput(bytes: number): () => void {
    return this.#reserve(bytes, undefined);
  }

  share(name: string): Budget {
    const known = this.#shares.get(name);
    if (known !== undefined) return known;
    const lent = this;
    const share: Budget = {
      total: this.total,
      get used() {
        return lent.used;
      },
      take: (bytes, signal, onGrant) => this.#ask({ bytes, output: false, share: name, signal, onGrant }),
      takeForOutput: (bytes, signal, onGrant) => this.#ask({ bytes, output: true, share: name, signal, onGrant }),
      reserveForOutput: (bytes) => this.#reserve(bytes, name),
      attachIdle: (idle, reclaim) => this.attachIdle(idle, reclaim),
      share: (other) => this.share(other),
    };
    this.#shares.set(name, share);
    return share;
  }

  attachIdle(idle: () => number, reclaim: (bytes: number) => void): void {
    this.#pools.push({ idle, reclaim });
  }

  granted(ticket: number): void {
    this.#waiting.get(ticket)?.grant();
  }

  refused(ticket: number, error: PlainError): void {
    this.#waiting.get(ticket)?.refuse(errorOf(error));
  }

  /** Somebody else needs room that pools of ours keep. */
  reclaim(bytes: number): void {
    let left = bytes;
    for (const { idle, reclaim } of this.#pools) {
      const part = Math.min(left, idle());
      if (part > 0) reclaim(part);
      left -= part;
    }
    this.#send({ say: 'idle', bytes: this.idle });
  }

  #reserve(bytes: number, share: string | undefined): () => void {
    this.#numbers += 1;
    const reserve = this.#numbers;
    this.#send({ say: 'reserve', reserve, share, bytes });
    return () => this.#send({ say: 'unreserve', reserve });
  }

  #ask({ bytes, output, share, signal, onGrant }: Wish): Promise<Ticket> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortError(signal));
        return;
      }
      this.#numbers += 1;
      const ticket = this.#numbers;
      const end = (): void => {
        this.#waiting.delete(ticket);
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        end();
        // It may have been granted meanwhile.
        this.#keep(ticket, 0);
        reject(abortError(signal as AbortSignal));
      };
      this.#waiting.set(ticket, {
        grant: () => {
          end();
          onGrant?.();
          resolve(this.#ticket(ticket, bytes));
        },
        refuse: (error) => {
          end();
          reject(error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#send({ say: 'take', ticket, share, bytes, output, idle: this.idle });
    });
  }

  #ticket(ticket: number, bytes: number): Ticket {
    let held = bytes;
    let live = true;
    this.#used += bytes;
    const keep = (bytes: number): void => {
      if (!live) return;
      this.#used -= Math.max(0, held - bytes);
      held = Math.min(held, bytes);
      live = held > 0;
      this.#keep(ticket, held);
    };
    return {
      get bytes() {
        return held;
      },
      shrink: keep,
      release: () => keep(0),
    };
  }

  #keep(ticket: number, bytes: number): void {
    this.#send({ say: 'keep', ticket, bytes, idle: this.idle });
  }
}
