import { EngineError } from '../../../src/errors.ts';
import type { VipClock } from '../../../src/vast/vip-pool/clock.ts';
import type { Outcome } from '../../../src/vast/vip-pool/vip.ts';
import { type VipLease, VipPool, type VipPoolSnapshot } from '../../../src/vast/vip-pool/vip-pool.ts';
import type { VipAddress, VipSource } from '../../../src/vast/vip-pool/vip-source.ts';

export const OK: Outcome = { kind: 'ok' };
export const BROKEN: Outcome = { kind: 'network', code: 'ECONNRESET' };
export const SLOW: Outcome = { kind: 'throttle', code: 'HTTP 503' };

/** A clock that stands still until told otherwise. */
export class VirtualClock implements VipClock {
  #now = 1_000_000;
  #chance = 1;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.#chance;
  }

  /** What chance is from now on, [0, 1]. */
  chance(value: number): void {
    this.#chance = value;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Let time pass, and everything that is due happen, with what follows from it. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers.delete(due);
      due.run();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** All microtasks have run. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** The connections of a VIP that exists only in a test. */
export class FakeConnection {
  readonly name: string;
  closed: 'no' | 'gently' | 'at once' = 'no';

  constructor(name: string) {
    this.name = name;
  }

  async close(): Promise<void> {
    this.closed = 'gently';
  }

  async destroy(): Promise<void> {
    this.closed = 'at once';
  }
}

export type Lease = VipLease<FakeConnection>;

export interface Bench {
  readonly pool: VipPool<FakeConnection>;
  readonly clock: VirtualClock;
  readonly connections: FakeConnection[];
  /** VIPs whose probes fail. */
  readonly dead: Set<string>;
  /** Names of the VIPs that were probed. */
  readonly probes: string[];
  /** What the source says; an error is thrown. */
  members: readonly string[] | Error;
  /** How often it was asked. */
  asked: number;
  /** State of one VIP. */
  vip(name: string): VipPoolSnapshot['vips'][number];
}

/** A pool without a network. Addresses are `host`; names become `host:80`. */
export function makeBench(members: readonly string[], perVip = 4): Bench {
  const clock = new VirtualClock();
  const dead = new Set<string>();
  const probes: string[] = [];
  const connections: FakeConnection[] = [];
  const source: VipSource = {
    maxAgeMs: 60_000,
    resolve: async () => {
      bench.asked += 1;
      if (bench.members instanceof Error) throw bench.members;
      return bench.members.map((host): VipAddress => ({ host }));
    },
  };
  const pool = new VipPool({
    source,
    clock,
    perVip,
    defaultPort: 80,
    connect: ({ name }) => {
      const connection = new FakeConnection(name);
      connections.push(connection);
      return connection;
    },
    probe: async ({ name }) => {
      probes.push(name);
      if (dead.has(name)) throw new EngineError('VOST_STORE_UNAVAILABLE', 'retryable', 'dead');
    },
  });
  const bench: Bench = {
    pool,
    clock,
    connections,
    dead,
    probes,
    members,
    asked: 0,
    vip: (name) => {
      const found = pool.snapshot().vips.find(({ vip }) => vip === `${name}:80`);
      if (found === undefined) throw new Error(`no VIP ${name}`);
      return found;
    },
  };
  return bench;
}

/** Several leases, taken one after another. */
export async function take(pool: VipPool<FakeConnection>, count: number, avoid?: readonly string[]): Promise<Lease[]> {
  const options = avoid === undefined ? {} : { avoid: new Set(avoid.map((name) => `${name}:80`)) };
  const leases: Lease[] = [];
  for (let at = 0; at < count; at += 1) leases.push(await pool.acquire(options));
  return leases;
}
