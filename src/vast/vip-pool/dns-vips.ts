import { Resolver } from 'node:dns/promises';
import type { VipAddress, VipSource } from './vip-source.ts';

/**
 * VAST's DNS answers one VIP per query unless told otherwise, another each time. So we go on asking until this many
 * answers in a row brought nothing new, or that many in all.
 */
const QUIET_ANSWERS = 8;
const MAX_ANSWERS = 128;
/** A name with more addresses than this is no VIP pool's. */
const MAX_ADDRESSES = 256;
/** By chance an answer may leave out a VIP that still is one: it goes after so many lookups without it. */
const MISSED_LOOKUPS = 3;
const QUERY_MS = 2_000;
const QUERY_TRIES = 2;
/** Bounds of what a TTL may say, milliseconds. VAST advises a TTL of 0. */
const MIN_AGE_MS = 30_000;
const MAX_AGE_MS = 300_000;

interface Answer {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

type Query = () => Promise<readonly Answer[]>;

/** All addresses, of both families, that a DNS name has. */
export class DnsVips implements VipSource {
  readonly #name: string;
  readonly #servers: readonly string[];
  readonly #lastSeen = new Map<string, number>();
  #lookups = 0;
  #maxAgeMs = MIN_AGE_MS;

  /**
   * @param servers `address` or `address:port` of the DNS servers to ask; none: the system's.
   * @throws TypeError (ERR_INVALID_IP_ADDRESS) for servers that are no addresses
   */
  constructor(name: string, servers: readonly string[] = []) {
    new Resolver().setServers(servers);
    this.#name = name;
    this.#servers = servers;
  }

  get maxAgeMs(): number {
    return this.#maxAgeMs;
  }

  async resolve(signal: AbortSignal): Promise<readonly VipAddress[]> {
    signal.throwIfAborted();
    const resolver = new Resolver({ timeout: QUERY_MS, tries: QUERY_TRIES });
    if (this.#servers.length > 0) resolver.setServers(this.#servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      // A name with addresses of one family is the rule; only when both fail there is a problem.
      const [four, six] = await Promise.allSettled([
        ask(() => resolver.resolve4(this.#name, { ttl: true })),
        ask(() => resolver.resolve6(this.#name, { ttl: true })),
      ]);
      signal.throwIfAborted();
      if (four.status === 'rejected' && six.status === 'rejected') throw four.reason;
      return this.#remember([four, six].flatMap((result) => (result.status === 'fulfilled' ? result.value : [])));
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  #remember(answers: readonly Answer[]): VipAddress[] {
    this.#lookups += 1;
    for (const { address } of answers) this.#lastSeen.set(address, this.#lookups);
    for (const [address, seen] of this.#lastSeen) {
      if (this.#lookups - seen >= MISSED_LOOKUPS) this.#lastSeen.delete(address);
    }
    const ttl = Math.min(...answers.map((answer) => answer.ttl));
    this.#maxAgeMs = Math.min(MAX_AGE_MS, Math.max(MIN_AGE_MS, ttl * 1_000));
    return [...this.#lastSeen.keys()].map((host) => ({ host }));
  }
}

/** Ask until nothing new comes. Later failures matter as little as answers without news. */
async function ask(query: Query): Promise<Answer[]> {
  const found = new Map<string, Answer>();
  let quiet = 0;
  for (let asked = 0; quiet < QUIET_ANSWERS && asked < MAX_ANSWERS && found.size < MAX_ADDRESSES; asked += 1) {
    let answers: readonly Answer[] = [];
    try {
      answers = await query();
    } catch (error) {
      if (asked === 0) throw error;
      break;
    }
    const known = found.size;
    for (const answer of answers) found.set(answer.address, answer);
    quiet = found.size === known ? quiet + 1 : 0;
  }
  return [...found.values()];
}
