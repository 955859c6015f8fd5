import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { VmsClient } from '../vast/vms/client.ts';
import { type ClusterFacts, type LsuPlace, type LsuSpace, pathOf, readFacts, spaceOf } from '../vast/vms/facts.ts';
import type { ViewRow } from '../vast/vms/rows.ts';
import { Aged, type Clock } from './aged.ts';

/** How old the cluster's figures may be, milliseconds: NetBackup looks every minute. The second age counts when VMS does not answer. */
const YOUNG_MS = 60_000;
const STALE_MS = 900_000;
/** A cluster that does not answer is asked again after so long. */
const RETRY_MS = 30_000;
/** How long the very first question may wait for an answer. */
const PATIENCE_MS = 1_500;

export interface ClusterOptions {
  readonly client: VmsClient;
  readonly placeOf: (lsu: string) => LsuPlace;
  readonly log: Logger;
  readonly now?: Clock | undefined;
  /** Default 1500. */
  readonly patienceMs?: number | undefined;
}

/**
 * What the management of a cluster says about its LSUs, answered from memory. However many ask, VMS is asked once a minute. No
 * answer of VMS is ever worth failing a poll: data flows without it.
 */
export class Cluster {
  readonly client: VmsClient;
  readonly #options: ClusterOptions;
  readonly #facts: Aged<ClusterFacts>;
  #failing = false;
  #toldAt: number | undefined;

  constructor(options: ClusterOptions) {
    this.client = options.client;
    this.#options = options;
    const { client, log, now } = options;
    const read = async (): Promise<ClusterFacts> => {
      try {
        const facts = await readFacts(client);
        this.#failing = false;
        this.#toldAt = Date.now();
        return facts;
      } catch (error) {
        this.#failing = true;
        log.warn({ err: error }, 'VMS does not answer; figures are older than they should be');
        throw error;
      }
    };
    this.#facts = new Aged(read, YOUNG_MS, STALE_MS, now, RETRY_MS);
  }

  /** Whether the last question for its figures had no answer. */
  get failing(): boolean {
    return this.#failing;
  }

  /** When it last told its figures, milliseconds since the epoch; undefined before the first time. */
  get toldAt(): number | undefined {
    return this.#toldAt;
  }

  /** Ask ahead of the first question. */
  warm(): void {
    this.#facts.get().catch(() => undefined);
  }

  /** Undefined when VMS has not answered for a quarter of an hour, or not yet. */
  async space(lsu: string): Promise<LsuSpace | undefined> {
    const facts = await this.#soon();
    return facts === undefined ? undefined : spaceOf(facts, this.#options.placeOf(lsu));
  }

  /** As {@link space}, from what is known now. */
  spaceNow(lsu: string): LsuSpace | undefined {
    const facts = this.#facts.peek();
    return facts === undefined ? undefined : spaceOf(facts, this.#options.placeOf(lsu));
  }

  /** Whether the cluster says that it finds what it has already, and keeps it once. */
  get deduplicates(): boolean {
    return this.#facts.peek()?.cluster?.enable_similarity === true;
  }

  /** All views that the user may see. Throws when VMS has not answered for a quarter of an hour. */
  async views(): Promise<readonly ViewRow[]> {
    return (await this.#facts.get()).views;
  }

  /** The directory of an LSU on the cluster, as far as it is known now. */
  pathNow(lsu: string): string | undefined {
    const place = this.#options.placeOf(lsu);
    if ('path' in place) return place.path;
    const facts = this.#facts.peek();
    return facts === undefined ? undefined : pathOf(facts, place);
  }

  /** Resolves when nothing is being asked. */
  settled(): Promise<void> {
    return this.#facts.settled();
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.settled();
  }

  async #soon(): Promise<ClusterFacts | undefined> {
    const late = new AbortController();
    try {
      const facts = this.#facts.get().catch(() => undefined);
      const { patienceMs = PATIENCE_MS } = this.#options;
      const enough = delay(patienceMs, undefined, { signal: late.signal, ref: false }).catch(() => undefined);
      return await Promise.race([facts, enough]);
    } finally {
      late.abort();
    }
  }
}
