import type { Logger } from 'pino';
import { type EngineError, failureOf } from '../errors.ts';
import type { VmsClient } from '../vast/vms/client.ts';

/** A job writes several images: what follows within so long is the same job. */
const QUIET_MS = 60_000;
/** Jobs that never pause get a snapshot all the same. */
const PATIENCE_MS = 900_000;

export interface SnapshotKeeperOptions {
  readonly client: Pick<VmsClient, 'snapshots'>;
  /** Directory of an LSU on the cluster, undefined when that is not known (yet). */
  readonly pathOf: (lsu: string) => string | undefined;
  /** How long the cluster keeps a snapshot of an LSU, milliseconds; undefined: none is taken. */
  readonly keepMs: (lsu: string) => number | undefined;
  /** Tells what became of it. */
  readonly onTaken: (lsu: string, outcome: { readonly snapshot: string } | { readonly error: EngineError }) => void;
  readonly log: Logger;
  readonly quietMs?: number;
  readonly patienceMs?: number;
  readonly now?: () => number;
}

interface Waiting {
  readonly since: number;
  timer: NodeJS.Timeout;
}

/**
 * Takes a snapshot of an LSU when its jobs have come to rest: a minute after an image became complete, at the latest a quarter of an
 * hour after the first. The cluster itself lets it go when its time is over. An engine that stops takes those that wait at once.
 */
export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Set<Promise<void>>();
  readonly #now: () => number;

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** An image of this LSU became complete. */
  completed(lsu: string): void {
    const { keepMs, quietMs = QUIET_MS, patienceMs = PATIENCE_MS } = this.#options;
    if (keepMs(lsu) === undefined) return;
    const before = this.#waiting.get(lsu);
    const since = before?.since ?? this.#now();
    clearTimeout(before?.timer);
    const left = Math.max(0, Math.min(quietMs, since + patienceMs - this.#now()));
    const timer = setTimeout(() => this.#begin(lsu), left);
    this.#waiting.set(lsu, { since, timer });
  }

  /** Take those that wait, and resolve when all are taken. */
  async close(): Promise<void> {
    for (const lsu of [...this.#waiting.keys()]) this.#begin(lsu);
    await Promise.all(this.#running);
  }

  async #isThere(name: string, path: string): Promise<boolean> {
    try {
      const rows = await this.#options.client.snapshots.list({ query: { path } });
      return rows.some((row) => row.name === name);
    } catch {
      // The failure of the snapshot itself is what is told.
      return false;
    }
  }

  #begin(lsu: string): void {
    clearTimeout(this.#waiting.get(lsu)?.timer);
    this.#waiting.delete(lsu);
    const work: Promise<void> = this.#take(lsu).finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async #take(lsu: string): Promise<void> {
    const { client, pathOf, keepMs, onTaken, log } = this.#options;
    const path = pathOf(lsu);
    const keep = keepMs(lsu);
    if (keep === undefined) return;
    if (path === undefined) {
      log.warn({ lsu }, 'no snapshot: the cluster has not said yet where the LSU lies');
      return;
    }
    const now = this.#now();
    const name = `vast-ost-${lsu}-${stamp(now)}`;
    // The clients of the cluster's maker end paths of snapshots, unlike those of views, with a slash.
    const place = `${path}/`;
    try {
      const body = { name, path: place, expiration_time: new Date(now + keep).toISOString() };
      await client.snapshots.create(body);
      log.info({ lsu, snapshot: name }, 'snapshot taken');
      onTaken(lsu, { snapshot: name });
    } catch (error) {
      // An answer that was lost is no loss.
      if (failureOf(error) === 'exists' || (await this.#isThere(name, place))) return onTaken(lsu, { snapshot: name });
      log.error({ err: error, lsu }, 'no snapshot could be taken; the images are complete all the same');
      onTaken(lsu, { error: error as EngineError });
    }
  }
}

/** `20261121T081530Z` */
function stamp(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.[0-9]+/g, '');
}
