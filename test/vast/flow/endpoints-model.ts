import { setImmediate as turn } from 'node:timers/promises';
import { EngineError } from '../../../src/errors.ts';
import { seededRandom } from '../../../src/sim/faults/random.ts';
import { FlowControl, type FlowDecision } from '../../../src/vast/flow/flow-control.ts';
import type { SizeDecision } from '../../../src/vast/flow/stepped-size.ts';
import { Retrier } from '../../../src/vast/retry.ts';
import { VipPool } from '../../../src/vast/vip-pool/vip-pool.ts';
import { fixedVips } from '../../../src/vast/vip-pool/vip-source.ts';

/** A network and its servers. Rates are bytes per second. */
export interface Network {
  /** What the machine's own link carries. */
  readonly link: number;
  /** Time before the first byte of a request moves, and after the last one, together; milliseconds. */
  readonly roundTripMs: number;
  /** What one connection carries: a window per round trip, one core of the server. */
  readonly connection: number;
  /** What each VIP carries. */
  readonly vips: readonly number[];
  /** Requests that all VIPs together take; more are told to slow down. */
  readonly most?: number;
  /** Work that slows everybody down for each request in flight beyond so many (seeks, memory): share per request. */
  readonly crowd?: { readonly from: number; readonly loss: number };
  /** What the client's own thread carries. Others on its machine make it faster and slower by a share of that, each request beyond four slower. */
  readonly thread?: { readonly rate: number; readonly unrest: number; readonly loss: number };
}

interface Flow {
  readonly vip: number;
  left: number;
  rate: number;
  /** Bytes move from then on. */
  readonly from: number;
  readonly done: () => void;
}

const MIB = 2 ** 20;
const NONE = { close: async (): Promise<void> => undefined, destroy: async (): Promise<void> => undefined };

/** How long a machine's pace lasts. */
const UNREST_MS = 300;

/** Requests in time that passes only as they move: rates are shared evenly (as TCP does), event by event. */
export class World {
  readonly #network: Network;
  readonly #random: () => number;
  readonly #flows = new Set<Flow>();
  readonly #timers: { at: number; run: () => void }[] = [];
  now = 0;
  /** How long the client's own thread was at work, milliseconds. */
  worked = 0;
  #pace = { factor: 1, until: 0 };
  /** Share of its time that it is. */
  #atWork = 0;

  constructor(network: Network, seed: number) {
    this.#network = network;
    this.#random = seededRandom(seed);
  }

  random(): number {
    return this.#random();
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.now + ms, run };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  async request(vip: number, bytes: number): Promise<void> {
    const { roundTripMs, most = Number.POSITIVE_INFINITY } = this.#network;
    if (this.#flows.size >= most) {
      await this.sleep(roundTripMs);
      throw new EngineError('VOST_STORE_BUSY', 'retryable', 'slow down', { details: { httpStatus: 503 } });
    }
    // No two requests take the same time.
    const jitter = 0.8 + 0.4 * this.#random();
    await new Promise<void>((done) => {
      this.#flows.add({ vip, left: bytes * jitter, rate: 0, from: this.now + roundTripMs, done });
    });
  }

  /** Until `until` says so. */
  async run(until: () => boolean): Promise<void> {
    for (;;) {
      await turn();
      if (until()) return;
      this.#share();
      const next = this.#next();
      const step = next - this.now;
      for (const flow of this.#flows) flow.left -= (flow.rate * step) / 1000;
      this.worked += step * this.#atWork;
      this.now = next;
      for (const timer of this.#timers.filter(({ at }) => at <= next)) {
        this.#timers.splice(this.#timers.indexOf(timer), 1);
        timer.run();
      }
      for (const flow of this.#flows) {
        if (flow.left > 1) continue;
        this.#flows.delete(flow);
        flow.done();
      }
    }
  }

  #next(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#timers) next = Math.min(next, at);
    for (const flow of this.#flows)
      next = Math.min(
        next,
        flow.from > this.now ? flow.from : this.now + Math.max(0.001, (flow.left / flow.rate) * 1000),
      );
    return next;
  }

  #share(): void {
    const { link, connection, vips, crowd } = this.#network;
    const active = [...this.#flows].filter(({ from }) => from <= this.now);
    const over = crowd === undefined ? 0 : Math.max(0, active.length - crowd.from);
    const slower = crowd === undefined ? 1 : 1 / (1 + over * crowd.loss);
    for (const flow of this.#flows) flow.rate = 0;
    for (const flow of active) {
      const mates = active.filter(({ vip }) => vip === flow.vip).length;
      flow.rate = Math.min(connection, (vips[flow.vip] ?? 0) / mates) * slower;
    }
    const sum = active.reduce((total, { rate }) => total + rate, 0);
    const own = this.#own(active.length);
    const most = Math.min(link, own);
    if (sum > most) for (const flow of active) flow.rate *= most / sum;
    this.#atWork = Math.min(sum, most) / own;
  }

  /** What the client's thread carries just now. */
  #own(requests: number): number {
    const { thread } = this.#network;
    if (thread === undefined) return Number.POSITIVE_INFINITY;
    if (this.now >= this.#pace.until)
      this.#pace = { factor: 1 + thread.unrest * (2 * this.#random() - 1), until: this.now + UNREST_MS };
    return (thread.rate * this.#pace.factor) / (1 + Math.max(0, requests - 4) * thread.loss);
  }
}

/** A client of a network: the real gate, retries and VIP pool. */
export interface Client {
  readonly world: World;
  readonly flow: FlowControl | undefined;
  readonly decisions: readonly FlowDecision[];
  readonly sizes: readonly SizeDecision[];
  /** One request with so much payload. */
  request(operation: 'part' | 'read', bytes: number): Promise<void>;
  /** Requests that each VIP got. */
  requests(): readonly number[];
  close(): Promise<void>;
}

export interface ClientOptions {
  /** Limit and sizes are found out. */
  readonly auto: boolean;
  /** What parts in flight may hold, bytes. */
  readonly memory: number;
}

export function clientOf(network: Network, { auto, memory }: ClientOptions, seed: number): Client {
  const world = new World(network, seed);
  const decisions: FlowDecision[] = [];
  const sizes: SizeDecision[] = [];
  const clock = { now: () => world.now, random: () => world.random() };
  const flow = auto
    ? new FlowControl({
        most: { write: 64, read: 64 },
        parts: { memory, streams: 64 },
        now: clock.now,
        worked: () => world.worked,
        onDecision: (one) => decisions.push(one),
        onSize: (one) => sizes.push(one),
      })
    : undefined;
  const retrier = new Retrier({
    flow,
    clock: { ...clock, sleep: (ms) => world.sleep(ms) },
    policy: { budgetMs: 1e9, retries: 1000 },
  });
  const pool = new VipPool({
    source: fixedVips(network.vips.map((_, at) => ({ host: `10.0.0.${at + 1}` }))),
    defaultPort: 80,
    perVip: 64,
    connect: () => NONE,
    probe: async () => undefined,
    clock: { ...clock, after: (ms, run) => world.after(ms, run) },
  });
  flow?.spread(() => pool.uneven);
  return {
    world,
    flow,
    decisions,
    sizes,
    request: (operation, bytes) =>
      retrier.run({ operation, bytes }, async () => {
        const lease = await pool.acquire({ bytes });
        try {
          await world.request(Number(lease.vip.split(/[.:]/)[3]) - 1, bytes);
          lease.release({ kind: 'ok' });
        } catch (error) {
          lease.release({ kind: 'throttle', code: 'HTTP 503' });
          throw error;
        }
      }),
    requests: () => pool.snapshot().vips.map((vip) => vip.requests),
    close: () => pool.close(),
  };
}

export interface Trip {
  /** Bytes per second over all parts. */
  readonly goodput: number;
  readonly decisions: readonly FlowDecision[];
  readonly limit: number;
  readonly requests: readonly number[];
}

/**
 * Send parts from so many images at the same time over the real gate, retries and VIP pool.
 * @param limit requests in flight; undefined: to be found out
 */
export async function send(network: Network, parts: number, limit: number | undefined, seed = 1): Promise<Trip> {
  const client = clientOf(network, { auto: limit === undefined, memory: 4096 * MIB }, seed);
  const { world, flow, decisions } = client;
  let [left, ended] = [parts, 0];
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await client.request('part', 64 * MIB);
      ended += 1;
    }
  };
  const workers = Array.from({ length: limit ?? 64 }, worker);
  await world.run(() => ended === parts);
  await Promise.all(workers);
  const requests = client.requests();
  await client.close();
  return {
    goodput: (parts * 64 * MIB) / (world.now / 1000),
    decisions,
    limit: flow?.write?.limit ?? limit ?? 0,
    requests,
  };
}
