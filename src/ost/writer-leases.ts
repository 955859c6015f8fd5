import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { EngineError } from '../errors.ts';
import { readWriters, WRITERS_PREFIX, writeWriters } from '../image/living-writers.ts';
import type { ObjectStore } from '../vast/store.ts';
import { Watch } from './events/watch.ts';

/** Signs of life in a lease: one may be lost. */
const BEATS = 3;
/** How long what does not heed a signal (a mount that hangs) is waited for at the end, milliseconds. */
const GRACE_MS = 1000;

export interface WriterLeasesOptions {
  /** What this engine, and the next one on this machine, is called in an LSU. Part of a key. */
  readonly nameIn: (label: string) => string;
  readonly leaseMs: number;
  /** Host processes that are connected. */
  readonly connected: () => ReadonlySet<string>;
  /** Whether a process is known to have ended. */
  readonly isGone: (process: string) => boolean;
  readonly log: Logger;
}

/** What is known of a process. */
interface Vouched {
  /** Images that it has open now. */
  images: number;
  /** It was here at the last beat, with nothing open. */
  idle: boolean;
}

/** An LSU that images are written into. */
interface Place {
  readonly label: string;
  readonly open: () => Promise<ObjectStore>;
  readonly processes: Map<string, Vouched>;
  /** Whether what the engine before us said was taken in. */
  inherited: boolean;
  beating: Promise<void> | undefined;
  failing: boolean;
}

/**
 * Tells other media servers which host processes live that have images open, so that nobody takes these over: one small object in each LSU that is
 * written into, however many images there are, renewed a few times in a lease. A process whose connection broke is vouched for until it is known to
 * have ended, or comes back and closes its images.
 */
export class WriterLeases {
  readonly #options: WriterLeasesOptions;
  readonly #places = new Map<string, Place>();
  readonly #watch: Watch;
  readonly #stop = new AbortController();

  constructor(options: WriterLeasesOptions) {
    this.#options = options;
    this.#watch = new Watch(() => this.#beatAll(), options.leaseMs / BEATS);
  }

  /**
   * A process opens an image; the first one in an LSU makes the engine speak at once. Nobody waits for that: the image's own record is as good
   * as a word for one lease. The result ends it.
   *
   * @param label of server and LSU.
   */
  opened(label: string, process: string, open: () => Promise<ObjectStore>): () => void {
    const place = this.#places.get(label) ?? newPlace(label, open);
    this.#places.set(label, place);
    const known = place.processes.get(process);
    const vouched = known ?? { images: 0, idle: false };
    place.processes.set(process, vouched);
    vouched.images += 1;
    if (known === undefined) void this.#beat(place);
    let live = true;
    return () => {
      if (live) vouched.images -= 1;
      live = false;
    };
  }

  /** Stop; what was said stays, for the next engine. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watch.close();
    const ended = new AbortController();
    const grace = delay(GRACE_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    await Promise.race([grace, Promise.all([...this.#places.values()].map(({ beating }) => beating))]);
    ended.abort();
  }

  async #beatAll(): Promise<void> {
    for (const place of this.#places.values()) void this.#beat(place);
  }

  /** An LSU that does not answer holds up no other one. */
  #beat(place: Place): Promise<void> {
    place.beating ??= this.#renew(place).finally(() => {
      place.beating = undefined;
    });
    return place.beating;
  }

  async #renew(place: Place): Promise<void> {
    const { nameIn, leaseMs, log } = this.#options;
    const engine = nameIn(place.label);
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(leaseMs)]);
    try {
      const store = await place.open();
      if (!place.inherited) await inherit(place, store, engine, signal);
      this.#forget(place);
      const said = [...place.processes.keys()];
      if (said.length > 0) await writeWriters(store, engine, { lease_ms: leaseMs, processes: said }, signal);
      else await store.delete([`${WRITERS_PREFIX}${engine}`], { signal });
      // Somebody may have come while nobody was there.
      if (place.processes.size === 0) this.#places.delete(place.label);
      place.failing = false;
    } catch (error) {
      if (this.#stop.signal.aborted || place.failing) return;
      place.failing = true;
      const message = 'other media servers cannot be told that images are being written; it is tried again';
      log.warn({ err: asError(error), place: place.label }, message);
    }
  }

  /** Processes that have ended, or have been here for a while and have nothing open: one that has just come back is about to name its images. */
  #forget({ processes }: Place): void {
    const connected = this.#options.connected();
    for (const [process, vouched] of processes) {
      const idle = vouched.images === 0 && connected.has(process);
      if ((idle && vouched.idle) || (vouched.images === 0 && this.#options.isGone(process))) processes.delete(process);
      vouched.idle = idle;
    }
  }
}

/** The engine before us vouched for processes that have not come back to us yet. */
async function inherit(place: Place, store: ObjectStore, engine: string, signal: AbortSignal): Promise<void> {
  const before = await readWriters(store, `${WRITERS_PREFIX}${engine}`, signal);
  for (const process of before?.processes ?? [])
    if (!place.processes.has(process)) place.processes.set(process, { images: 0, idle: false });
  place.inherited = true;
}

function newPlace(label: string, open: Place['open']): Place {
  return { label, open, processes: new Map(), inherited: false, beating: undefined, failing: false };
}

function asError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  return new EngineError('VOST_INTERNAL', 'internal', `renewing a lease failed: ${String(error)}`, { cause: error });
}
