import { z } from 'zod';
import { EngineError } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { decodeJson } from './manifest.ts';
import { readRecord } from './read-record.ts';

/** Beside the images and of none of them: which processes engines vouch for, one object for each engine. Documented in docs/image-format.md. */
export const WRITERS_PREFIX = 'vast-ost/writers/';
const MAX_WRITERS_BYTES = 16 * 1024 * 1024;
/** Engines whose word is taken; more than anybody has. */
const MAX_ENGINES = 10_000;
const FORMAT = 'vast-ost-writers';

const WritersSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  /** For how long after it was written this counts, milliseconds. */
  lease_ms: z.int().min(1).max(86_400_000),
  /** Host processes that have images open in this LSU, or had when their connection broke, as their creators end. */
  processes: z.array(z.string().min(1).max(256)).max(65_536),
});
export type Writers = Pick<z.output<typeof WritersSchema>, 'lease_ms' | 'processes'>;

/** The process in the creator of an image, behind session and handle; '' when it names none. */
export function processOf(creator: string): string {
  return creator.split(':').slice(2).join(':');
}

/** Say whom an engine vouches for, in place of what it said before. */
export async function writeWriters(
  store: ObjectStore,
  engine: string,
  writers: Writers,
  signal?: AbortSignal,
): Promise<void> {
  const key = `${WRITERS_PREFIX}${engine}`;
  const record = WritersSchema.parse({ format: FORMAT, version: 1, ...writers });
  await store.put(key, [Buffer.from(`${JSON.stringify(record)}\n`)], { signal });
  // What cannot go now goes with the next one.
  await store.history?.purge([key], { signal }).catch(() => undefined);
}

/** What an engine said last; undefined when it said nothing that makes sense. */
export async function readWriters(store: ObjectStore, key: string, signal?: AbortSignal): Promise<Writers | undefined> {
  try {
    const decode = (bytes: Uint8Array, where: string) => decodeJson(WritersSchema, bytes, where, FORMAT);
    return await readRecord(store, key, MAX_WRITERS_BYTES, decode, signal);
  } catch (error) {
    if (error instanceof EngineError && ['not-found', 'integrity', 'unsupported', 'busy'].includes(error.failure))
      return undefined;
    throw error;
  }
}

/** Who writes into an LSU now, as engines have told there. All times are the store's own, so no two clocks are compared. */
export class LivingWriters {
  readonly #now: number;
  readonly #leaseMs: number;
  readonly #processes: ReadonlySet<string>;

  private constructor(now: number, leaseMs: number, processes: ReadonlySet<string>) {
    this.#now = now;
    this.#leaseMs = leaseMs;
    this.#processes = processes;
  }

  /** @param leaseMs for how long after its last record a writer is believed to live without anybody's word, at least. Milliseconds. */
  static async read(store: ObjectStore, leaseMs: number, signal?: AbortSignal): Promise<LivingWriters> {
    const now = await store.now({ signal });
    const processes = new Set<string>();
    let longest = leaseMs;
    let engines = 0;
    for await (const { key, modified } of store.list({ prefix: WRITERS_PREFIX, signal })) {
      engines += 1;
      if (engines > MAX_ENGINES) throw tooMany(store);
      const writers = await readWriters(store, key, signal);
      if (writers === undefined || now - modified >= Math.max(leaseMs, writers.lease_ms)) continue;
      longest = Math.max(longest, writers.lease_ms);
      for (const process of writers.processes) processes.add(process);
    }
    return new LivingWriters(now, longest, processes);
  }

  /**
   * Whether nothing was heard of a writer for its lease: no engine vouches for its process, and its record is as old as that.
   *
   * @param touched when its pending record was written, milliseconds since the epoch by the store's clock.
   */
  isSilent(creator: string, touched: number): boolean {
    return !this.#processes.has(processOf(creator)) && this.#now - touched >= this.#leaseMs;
  }
}

function tooMany({ lsu }: ObjectStore): EngineError {
  return new EngineError('VOST_TOO_MANY_WRITERS', 'integrity', `${lsu}/${WRITERS_PREFIX} has too many objects`, {
    advice: 'delete what no engine wrote',
  });
}
