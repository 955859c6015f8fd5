/**
 * The data VIPs of one storage. Every VIP serves every request (VAST: any VIP of the pool is an endpoint for all
 * buckets), so each request goes to the VIP with the fewest in flight (a slow VIP's count more), and a repeated one to a VIP that it has not
 * failed at. A VIP that keeps failing is quarantined and probed; when all are, the least bad is used all the same.
 */
import { isIPv6 } from 'node:net';
import { abortError, EngineError } from '../../errors.ts';
import { systemVipClock, type VipClock } from './clock.ts';
import { Membership } from './membership.ts';
import { type Closable, type Outcome, Vip, type VipSnapshot } from './vip.ts';
import type { VipAddress, VipSource } from './vip-source.ts';

/** More members than this make no sense; whoever names more is wrong or hostile. */
const MAX_VIPS = 256;
/** A VIP that got less payload than others catches up by this at most. */
const MAX_LAG_BYTES = 256 * 2 ** 20;
/** So many times as slow as the fastest is no chance: no two connections are equal. */
const UNEVEN = 4;
/** Bound of one probe, milliseconds. */
const PROBE_MS = 15_000;

export interface VipPoolOptions<C extends Closable> {
  readonly source: VipSource;
  /** Port of addresses that name none. */
  readonly defaultPort: number;
  /** Most requests in flight at one VIP. */
  readonly perVip: number;
  /** Make connections to a VIP; must not contact it yet. */
  readonly connect: (address: NamedVip) => C;
  /** Find out whether a quarantined VIP works; rejects with an {@link EngineError} when not. */
  readonly probe: (connection: C, signal: AbortSignal) => Promise<void>;
  readonly clock?: VipClock | undefined;
}

/** A VIP, and what it is called: `host:port`. */
export interface NamedVip extends Required<VipAddress> {
  readonly name: string;
}

/** The right to one request at one VIP. */
export interface VipLease<C> {
  readonly vip: string;
  readonly connection: C;
  /** The request has ended. Further calls do nothing. */
  release(outcome: Outcome): void;
}

export interface AcquireOptions {
  /** VIPs that the request has failed at: taken only when no other is healthy. */
  readonly avoid?: ReadonlySet<string>;
  /** Payload of the request or its answer. Default 0. */
  readonly bytes?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Waiter<C> {
  readonly avoid: ReadonlySet<string>;
  readonly bytes: number;
  readonly grant: (lease: VipLease<C>) => void;
  readonly refuse: (error: unknown) => void;
}

/** State of a pool at one moment, for metrics and people. */
export interface VipPoolSnapshot {
  readonly vips: readonly VipSnapshot[];
  /** Requests that wait for a VIP. */
  readonly waiting: number;
  /** Why the VIPs could not be looked up lately; the known ones are still used. */
  readonly lookupError?: string;
}

const NONE: ReadonlySet<string> = new Set();

export class VipPool<C extends Closable> {
  readonly #options: VipPoolOptions<C>;
  readonly #clock: VipClock;
  readonly #members: Membership;
  readonly #vips = new Map<string, Vip<C>>();
  /** No longer members, with requests in flight. */
  readonly #draining = new Map<string, Vip<C>>();
  /** In the order in which they came; as many as there are requests that wait. */
  readonly #waiters = new Set<Waiter<C>>();
  /** The next probe of each quarantined VIP. */
  readonly #timers = new Map<Vip<C>, () => void>();
  readonly #closed = new AbortController();
  #number = 0;
  /** Payload of the VIP that had most, bytes. */
  #mostBytes = 0;

  constructor(options: VipPoolOptions<C>) {
    this.#options = options;
    this.#clock = options.clock ?? systemVipClock;
    this.#members = new Membership(options.source, this.#clock, (addresses) => this.#update(addresses));
  }

  /**
   * Wait for a VIP's turn. Whoever came first is served first, unless it avoids what is free.
   * @throws EngineError VOST_NO_VIPS (`retryable`), VOST_STORAGE_CLOSED, or of class `aborted`
   */
  async acquire({ avoid = NONE, bytes = 0, signal }: AcquireOptions = {}): Promise<VipLease<C>> {
    this.#check(signal);
    if (this.#vips.size === 0) await this.#members.ready(signal);
    else this.#members.touch();
    this.#check(signal);
    const { promise, resolve, reject } = Promise.withResolvers<VipLease<C>>();
    const waiter: Waiter<C> = { avoid, bytes, grant: resolve, refuse: reject };
    this.#waiters.add(waiter);
    this.#serve();
    return this.#waiters.has(waiter) && signal !== undefined ? this.#wait(waiter, promise, signal) : promise;
  }

  async #wait(waiter: Waiter<C>, granted: Promise<VipLease<C>>, signal: AbortSignal): Promise<VipLease<C>> {
    const onAbort = (): void => {
      if (this.#waiters.delete(waiter)) waiter.refuse(abortError(signal));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await granted;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Whether a healthy VIP is left besides these. */
  hasOther(avoid: ReadonlySet<string>): boolean {
    return this.#vips.values().some((vip) => !vip.quarantined && !avoid.has(vip.name));
  }

  /** Whether one that works is several times slower with payload than another. */
  get uneven(): boolean {
    const [fastest, now] = [this.#fastest(), this.#clock.now()];
    return this.#vips.values().some((vip) => !vip.quarantined && vip.pace.weight(fastest, now) >= UNEVEN);
  }

  snapshot(): VipPoolSnapshot {
    const { error } = this.#members;
    return {
      vips: [...this.#vips.values(), ...this.#draining.values()].map((vip) => vip.snapshot()),
      waiting: this.#waiters.size,
      ...(error === undefined ? {} : { lookupError: error.message }),
    };
  }

  /** Ends all requests. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#members.close(closedError());
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    for (const waiter of this.#waiters) waiter.refuse(closedError());
    this.#waiters.clear();
    const all = [...this.#vips.values(), ...this.#draining.values()];
    await Promise.all(all.map((vip) => vip.connection.destroy()));
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#closed.signal.aborted) throw closedError();
    if (signal?.aborted) throw abortError(signal);
  }

  /** Give free VIPs to waiters. */
  #serve(): void {
    for (const waiter of this.#waiters) {
      if (!this.#vips.values().some((vip) => vip.free)) return;
      const vip = this.#choose(waiter);
      if (vip === undefined) continue;
      this.#waiters.delete(waiter);
      waiter.grant(this.#lease(vip, waiter.bytes));
    }
  }

  /** The best VIP for a request, undefined when it has no place now. */
  #choose({ avoid, bytes }: Waiter<C>): Vip<C> | undefined {
    let best: { vip: Vip<C>; rank: number } | undefined;
    const fastest = bytes > 0 ? this.#fastest() : 0;
    for (const vip of this.#vips.values()) {
      // A busy VIP of a better rank is waited for: a bad one is free because it fails fast.
      const rank = (vip.quarantined ? 2 : 0) + (avoid.has(vip.name) ? 1 : 0);
      if (
        best === undefined ||
        rank < best.rank ||
        (rank === best.rank && vip.betterThan(best.vip, bytes > 0, fastest))
      ) {
        best = { vip, rank };
      }
    }
    return best?.vip.free ? best.vip : undefined;
  }

  /** Best pace of a healthy VIP; 0 while none is known. */
  #fastest(): number {
    let fastest = Number.POSITIVE_INFINITY;
    for (const vip of this.#vips.values()) if (!vip.quarantined) fastest = Math.min(fastest, vip.pace.ms ?? fastest);
    return Number.isFinite(fastest) ? fastest : 0;
  }

  #lease(vip: Vip<C>, bytes: number): VipLease<C> {
    this.#number += 1;
    const number = this.#number;
    this.#mostBytes = Math.max(this.#mostBytes, vip.begin(number, bytes, this.#mostBytes - MAX_LAG_BYTES));
    const { epoch } = vip.health;
    const began = this.#clock.now();
    let released = false;
    return {
      vip: vip.name,
      connection: vip.connection,
      release: (outcome) => {
        if (released) return;
        released = true;
        if (outcome.kind === 'ok') vip.pace.note(bytes, this.#clock.now() - began, this.#clock.now());
        if (vip.end(number, epoch, outcome)) {
          this.#members.suspect();
          this.#probeLater(vip);
        }
        if (vip.draining && vip.inFlight === 0) this.#retire(vip);
        this.#serve();
      },
    };
  }

  #probeLater(vip: Vip<C>): void {
    if (this.#closed.signal.aborted || vip.draining || vip.health.until === undefined) return;
    const cancel = this.#clock.after(Math.max(0, vip.health.until - this.#clock.now()), () => {
      this.#timers.delete(vip);
      void this.#probe(vip);
    });
    this.#timers.get(vip)?.();
    this.#timers.set(vip, cancel);
  }

  async #probe(vip: Vip<C>): Promise<void> {
    if (!vip.quarantined) return;
    try {
      // Requests go to the only VIP in any case.
      if (this.#vips.size > 1) {
        await this.#options.probe(
          vip.connection,
          AbortSignal.any([this.#closed.signal, AbortSignal.timeout(PROBE_MS)]),
        );
      }
      if (vip.quarantined) vip.readmit();
    } catch (error) {
      if (vip.quarantined) vip.keepOut(error instanceof EngineError ? error.code : 'VOST_STORE_UNAVAILABLE');
      this.#probeLater(vip);
    }
    this.#serve();
  }

  #update(addresses: readonly VipAddress[]): void {
    const named = new Map<string, NamedVip>();
    for (const { host, port = this.#options.defaultPort } of addresses) {
      if (named.size === MAX_VIPS) break;
      const name = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
      named.set(name, { name, host, port });
    }
    for (const [name, vip] of this.#vips) if (!named.has(name)) this.#drain(vip);
    for (const [name, vip] of named) if (!this.#vips.has(name)) this.#join(vip);
    this.#serve();
  }

  #join(named: NamedVip): void {
    const { connect, perVip } = this.#options;
    const vip = this.#draining.get(named.name) ?? new Vip(named.name, connect(named), perVip, this.#clock);
    this.#draining.delete(named.name);
    this.#vips.set(named.name, vip);
    vip.draining = false;
    this.#probeLater(vip);
  }

  #drain(vip: Vip<C>): void {
    this.#vips.delete(vip.name);
    vip.draining = true;
    this.#timers.get(vip)?.();
    this.#timers.delete(vip);
    this.#draining.set(vip.name, vip);
    if (vip.inFlight === 0) this.#retire(vip);
  }

  #retire(vip: Vip<C>): void {
    this.#draining.delete(vip.name);
    vip.connection.close().catch(() => undefined);
  }
}

function closedError(): EngineError {
  return new EngineError('VOST_STORAGE_CLOSED', 'usage', 'the storage was closed');
}
