import { abortError, EngineError } from '../errors.ts';

/** Bytes granted by a {@link ByteBudget}. Give them back exactly once. */
export interface Ticket {
  readonly bytes: number;
  /** Keep only `bytes` of the grant (never more than it has). */
  shrink(bytes: number): void;
  /** Give everything back. A second call does nothing. */
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/** What one share of a budget holds and waits for. */
interface Account {
  used: number;
  /** What it held before output went beyond the limit, while that lasts. */
  overdraft: number | undefined;
  /** Tickets of {@link ByteBudget.takeForOutput} whose stage is still at work. */
  working: number;
  readonly waiters: Waiter[];
  readonly outputWaiters: Waiter[];
  /** Room that {@link ByteBudget.take} leaves free, by whoever asked for it; the largest request counts. */
  readonly reserves: Set<{ readonly bytes: number }>;
}

/** What all shares of a budget have in common. */
interface Ledger {
  readonly total: number;
  used: number;
  peak: number;
  /** Of the shares that were ever used. */
  readonly accounts: Set<Account>;
  readonly shares: Map<string, ByteBudget>;
  readonly pools: { readonly idle: () => number; readonly reclaim: (bytes: number) => void }[];
}

/**
 * The one bound on payload memory. Whoever is about to hold payload takes a ticket first and gives it
 * back when storage has acknowledged the bytes. Waiting is first come, first served, so that a large request
 * is not starved by small ones; only output of a stage goes first ({@link takeForOutput}), because it frees memory.
 *
 * It can have shares, one per storage: what waits for one storage must not keep the others from going on, however long that takes. One half of the
 * budget is divided among the shares in use and kept for each; the other half goes to whoever comes. A share that holds nothing is granted
 * any request, and one output may exceed what it may hold: so each share always goes on, and the budget is exceeded by no more than that.
 */
export class ByteBudget {
  readonly total: number;
  readonly #ledger: Ledger;
  readonly #account: Account = {
    used: 0,
    overdraft: undefined,
    working: 0,
    waiters: [],
    outputWaiters: [],
    reserves: new Set(),
  };

  /**
   * @param total the bound in bytes, above 0.
   * @param ledger of the budget that this is a share of.
   */
  constructor(total: number, ledger?: Ledger) {
    if (!Number.isSafeInteger(total) || total <= 0) {
      throw new EngineError(
        'VOST_BUDGET',
        'usage',
        `the memory budget must be a positive number of bytes, not ${total}`,
      );
    }
    this.total = total;
    this.#ledger = ledger ?? { total, used: 0, peak: 0, accounts: new Set(), shares: new Map(), pools: [] };
  }

  /** The share of that name; there are few names, and none is forgotten. */
  share(name: string): ByteBudget {
    const { shares } = this.#ledger;
    const share = shares.get(name) ?? new ByteBudget(this.total, this.#ledger);
    shares.set(name, share);
    return share;
  }

  /** Bytes granted now, in all shares. At most `total`, or while overdrafts last that and what is said above. */
  get used(): number {
    return this.#ledger.used;
  }

  /** The most bytes granted at once so far. */
  get peak(): number {
    return this.#ledger.peak;
  }

  /** Bytes of memory that pools keep unused. */
  get idle(): number {
    return this.#ledger.pools.reduce((sum, pool) => sum + pool.idle(), 0);
  }

  /** Requests waiting now, in all shares. */
  get waiting(): number {
    let sum = 0;
    for (const { waiters, outputWaiters } of this.#ledger.accounts) sum += waiters.length + outputWaiters.length;
    return sum;
  }

  /**
   * A pool that keeps memory for reuse registers here: `idle` tells how many bytes it keeps unused, and
   * `reclaim` must return at least that many to the system, or all it has, when a grant needs the room.
   */
  attachIdle(idle: () => number, reclaim: (bytes: number) => void): void {
    this.#ledger.pools.push({ idle, reclaim });
  }

  /**
   * Wait for `bytes`. Rejects with class `usage` when they can never fit, `aborted` when the signal fires first.
   *
   * @param onGrant called at the moment of the grant, before idle memory is reclaimed for it: a pool takes the idle memory that
   *   the grant is meant for.
   */
  async take(bytes: number, signal?: AbortSignal, onGrant?: () => void): Promise<Ticket> {
    this.#check(bytes, signal);
    const { waiters } = this.#account;
    if (waiters.length === 0 && fits(this.#ledger, this.#account, bytes)) return this.#grant(bytes, onGrant);
    return this.#wait(waiters, bytes, signal, onGrant);
  }

  /**
   * Like {@link take}, for a stage that needs room for its output before it can free its input. It does not queue behind
   * {@link take}, and one such grant may exceed the budget; while it does, others wait. Without that, chunks
   * that all wait for output room would wait for ever.
   *
   * The stage must end by holding no more than before (release the input, {@link Ticket.shrink} to what is left), or pass its output to
   * somebody who frees it without waiting for more input: only then does an overdraft end.
   *
   * @param onGrant as of {@link take}.
   */
  async takeForOutput(bytes: number, signal?: AbortSignal, onGrant?: () => void): Promise<Ticket> {
    this.#check(bytes, signal);
    const account = this.#account;
    const working = (): void => {
      account.working += 1;
      if (account.used > limitOf(this.#ledger, account)) account.overdraft ??= account.used - bytes;
      onGrant?.();
    };
    const ticket = outputFits(this.#ledger, account, bytes)
      ? this.#grant(bytes, working)
      : await this.#wait(account.outputWaiters, bytes, signal, working);
    return this.#untilSettled(ticket);
  }

  /**
   * Keep `bytes` free of {@link take} for {@link takeForOutput}, so that output needs no overdraft; several reserves overlap. Returns the
   * function that ends it. What is in use already stays, so the room is there only after a while.
   */
  reserveForOutput(bytes: number): () => void {
    const { reserves } = this.#account;
    const reserve = { bytes };
    reserves.add(reserve);
    return () => {
      if (reserves.delete(reserve)) wake(this.#ledger);
    };
  }

  /** A stage is at work on its output until it has said how much of the room it keeps. */
  #untilSettled(ticket: Ticket): Ticket {
    let working = true;
    const settle = (change: () => void): void => {
      if (working) this.#account.working -= 1;
      working = false;
      change();
      wake(this.#ledger);
    };
    return {
      get bytes() {
        return ticket.bytes;
      },
      shrink: (bytes) => settle(() => ticket.shrink(bytes)),
      release: () => settle(() => ticket.release()),
    };
  }

  #check(bytes: number, signal: AbortSignal | undefined): void {
    if (!(bytes >= 0 && bytes <= this.total)) {
      throw new EngineError(
        'VOST_BUDGET',
        'usage',
        `${bytes} bytes can never fit the memory budget of ${this.total} bytes`,
        {
          advice: 'raise the memory budget or lower the chunk size',
        },
      );
    }
    if (signal?.aborted) throw abortError(signal);
  }

  #wait(
    queue: Waiter[],
    bytes: number,
    signal: AbortSignal | undefined,
    onGrant?: (() => void) | undefined,
  ): Promise<Ticket> {
    this.#ledger.accounts.add(this.#account);
    return new Promise<Ticket>((resolve, reject) => {
      const onAbort = (): void => {
        queue.splice(queue.indexOf(waiter), 1);
        reject(abortError(signal as AbortSignal));
        wake(this.#ledger);
      };
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.#grant(bytes, onGrant));
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.push(waiter);
    });
  }

  #grant(bytes: number, onGrant?: (() => void) | undefined): Ticket {
    const [ledger, account] = [this.#ledger, this.#account];
    let held = bytes;
    ledger.accounts.add(account);
    account.used += bytes;
    ledger.used += bytes;
    ledger.peak = Math.max(ledger.peak, ledger.used);
    onGrant?.();
    reclaim(ledger);
    const keep = (bytes: number): void => {
      if (bytes >= held) return;
      account.used -= held - bytes;
      ledger.used -= held - bytes;
      held = bytes;
      wake(ledger);
    };
    return {
      get bytes() {
        return held;
      },
      shrink: keep,
      release: () => keep(0),
    };
  }
}

/** What a share may hold: all that others do not hold, and that is not kept for them. */
function limitOf({ total, accounts }: Ledger, account: Account): number {
  if (accounts.size === 1 && accounts.has(account)) return total;
  const kept = total / (2 * (accounts.has(account) ? accounts.size : accounts.size + 1));
  let limit = total;
  for (const other of accounts) if (other !== account) limit -= Math.max(kept, other.used);
  return limit;
}

function fits(ledger: Ledger, account: Account, bytes: number): boolean {
  // An empty share is granted anything that the budget can hold at all: neither a reserve nor another share must keep work from beginning.
  if (account.used === 0) return true;
  let reserved = 0;
  for (const reserve of account.reserves) reserved = Math.max(reserved, reserve.bytes);
  return account.used + bytes <= limitOf(ledger, account) - reserved;
}

/** Output exceeds the limit only when no other stage is at work that will make room. */
function outputFits(ledger: Ledger, account: Account, bytes: number): boolean {
  const limit = limitOf(ledger, account);
  return account.used + bytes <= limit || (account.working === 0 && account.overdraft === undefined);
}

/** What pools keep unused must fit beside what is granted. */
function reclaim({ total, used, pools }: Ledger): void {
  for (const { idle, reclaim } of pools) {
    const excess = used + pools.reduce((sum, pool) => sum + pool.idle(), 0) - total;
    if (excess <= 0) return;
    reclaim(Math.min(excess, idle()));
  }
}

/** Grant what fits now, output before all else; among shares, whoever holds least comes first. */
function wake(ledger: Ledger): void {
  const accounts = [...ledger.accounts].sort((a, b) => a.used - b.used);
  for (const account of accounts) {
    // Others may have made the limit less than what it held before: then it is its own output that must be gone, not all it has.
    if (account.used <= Math.max(account.overdraft ?? 0, limitOf(ledger, account))) account.overdraft = undefined;
  }
  for (const account of accounts) grantNext(account.outputWaiters, (bytes) => outputFits(ledger, account, bytes));
  for (const account of accounts) grantNext(account.waiters, (bytes) => fits(ledger, account, bytes));
}

function grantNext(queue: Waiter[], fitsNow: (bytes: number) => boolean): void {
  for (let next = queue[0]; next !== undefined && fitsNow(next.bytes); next = queue[0]) {
    queue.shift();
    next.grant();
  }
}

/** A budget as those who work under it see it; whose it is does not matter to them. */
export interface Budget
  extends Pick<ByteBudget, 'total' | 'used' | 'take' | 'takeForOutput' | 'reserveForOutput' | 'attachIdle'> {
  share(name: string): Budget;
}
