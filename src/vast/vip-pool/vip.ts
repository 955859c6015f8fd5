import type { VipClock } from './clock.ts';
import { Pace } from './pace.ts';
import { VipHealth } from './vip-health.ts';
import { Window } from './window.ts';

/** What a pool needs of the connections to a VIP. */
export interface Closable {
  /** Take no new request, end those that run, then close. */
  close(): Promise<void>;
  /** End everything now. */
  destroy(): Promise<void>;
}

/**
 * What a request showed of its VIP. Anything the VIP itself answered, a refusal as well, is `ok`.
 *
 * - `network`: no connection, a broken or silent one, an answer cut off or damaged.
 * - `server`: an internal error (5xx).
 * - `throttle`: too busy (503 SlowDown, 429).
 * - `trust`: its certificate is not the storage's; the VIP gets nothing more until that has changed.
 * - `unknown`: nothing; the request was aborted.
 */
export type Outcome =
  | { readonly kind: 'ok' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'network' | 'server' | 'throttle' | 'trust'; readonly code: string };

/** Weight of a failure, see {@link VipHealth}. */
const WEIGHTS = { network: 1.5, server: 1, throttle: 1, trust: Number.POSITIVE_INFINITY } as const;

/** State of one VIP at one moment, for metrics and people. */
export interface VipSnapshot {
  /** `host:port`. */
  readonly vip: string;
  /** `draining`: no longer a member; its last requests are ending. */
  readonly state: 'healthy' | 'quarantined' | 'draining';
  readonly inFlight: number;
  /** Requests it may have in flight now. */
  readonly window: number;
  /** Requests since it became a member, failed ones included. */
  readonly requests: number;
  readonly failures: number;
  /** Quarantines since it became a member. */
  readonly quarantines: number;
  readonly lastError?: string;
  /** Milliseconds from now to the next probe. */
  readonly quarantinedMs?: number;
}

/** One member of a pool: its connections, what is in flight, how it has been doing. */
export class Vip<C extends Closable> {
  readonly name: string;
  readonly connection: C;
  readonly health: VipHealth;
  readonly pace = new Pace();
  draining = false;
  inFlight = 0;
  /** Payload of all its requests, bytes; see {@link begin}. */
  #bytes = 0;
  /** Number of its latest request. */
  #latest = 0;
  readonly #clock: VipClock;
  readonly #window: Window;
  #requests = 0;
  #failures = 0;
  #quarantines = 0;
  #lastError: string | undefined;

  constructor(name: string, connection: C, bound: number, clock: VipClock) {
    this.name = name;
    this.connection = connection;
    this.health = new VipHealth(clock);
    this.#window = new Window(bound);
    this.#clock = clock;
  }

  get quarantined(): boolean {
    return this.health.until !== undefined;
  }

  get free(): boolean {
    return this.inFlight < this.#window.size;
  }

  /**
   * Of two that are as healthy: the one with a place, with fewer in flight (those of a slow one count more), that waited longer. Payload goes where less
   * has gone before: with mere turns, two VIPs and large and small parts in turn, one VIP would get all the large ones.
   */
  betterThan(other: Vip<C>, payload: boolean, fastest: number): boolean {
    if (this.free !== other.free) return this.free;
    const [mine, theirs] = payload ? [this.#delay(fastest), other.#delay(fastest)] : [this.#load, other.#load];
    if (mine !== theirs) return mine < theirs;
    if (payload && this.#bytes !== other.#bytes) return this.#bytes < other.#bytes;
    return this.#latest < other.#latest;
  }

  /** The longer a VIP has been failing, the fewer requests try it. */
  get #load(): number {
    return this.inFlight + (this.quarantined ? this.health.level : 0);
  }

  /** How long one more request with payload would take, in requests of the fastest VIP. */
  #delay(fastest: number): number {
    const weight = this.pace.weight(fastest, this.#clock.now());
    return weight === 1 ? this.#load : (this.#load + 1) * weight - 1;
  }

  /**
   * Give it request `number`.
   * @param bytes payload
   * @param least what counts as its payload so far is at least this: who was away does not get everything now
   * @returns its payload so far, bytes
   */
  begin(number: number, bytes: number, least: number): number {
    this.inFlight += 1;
    this.#requests += 1;
    this.#latest = number;
    if (bytes > 0) this.#bytes = Math.max(this.#bytes, least) + bytes;
    return this.#bytes;
  }

  /**
   * Request `number`, begun in `epoch` of the health, has ended.
   * @returns true when the VIP is quarantined from now on
   */
  end(number: number, epoch: number, outcome: Outcome): boolean {
    const { inFlight } = this;
    this.inFlight -= 1;
    if (outcome.kind === 'unknown') return false;
    if (outcome.kind === 'ok') {
      this.#window.grow();
      this.health.success(epoch);
      return false;
    }
    this.#failures += 1;
    this.#lastError = outcome.code;
    if (outcome.kind === 'throttle') this.#window.cut(number, this.#latest, inFlight);
    const quarantined = this.health.failure(epoch, WEIGHTS[outcome.kind]);
    if (quarantined) this.#quarantines += 1;
    return quarantined;
  }

  /** A probe succeeded: begin anew, carefully. */
  readmit(): void {
    this.health.readmit();
    this.#window.restart();
  }

  /** A probe failed. */
  keepOut(code: string): void {
    this.#lastError = code;
    this.health.extend();
  }

  snapshot(): VipSnapshot {
    const { until } = this.health;
    return {
      vip: this.name,
      state: this.draining ? 'draining' : until === undefined ? 'healthy' : 'quarantined',
      inFlight: this.inFlight,
      window: this.#window.size,
      requests: this.#requests,
      failures: this.#failures,
      quarantines: this.#quarantines,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...(until === undefined ? {} : { quarantinedMs: Math.max(0, until - this.#clock.now()) }),
    };
  }
}
