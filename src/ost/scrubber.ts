import type { Logger } from 'pino';
import type { EngineError } from '../errors.ts';
import { failureOf } from '../errors.ts';
import { Pace } from '../image/pace.ts';
import { type ScrubbedImage, scrub } from '../image/scrub.ts';
import type { Storage } from '../vast/store.ts';
import { Watch } from './events/watch.ts';
import type { ScrubFigures } from './scrub-figures.ts';
import type { StorageMemory } from './storage-memory.ts';
import type { StorageServer } from './storage-server.ts';
import { EVENT_TYPE } from './wire/constants.ts';

/** How often is looked whether a round is due. */
const LOOK_MS = 60_000;
/** Backups and restores come first. */
const READ_AHEAD = 1;

export interface ScrubberOptions {
  readonly server: Pick<StorageServer, 'lsus' | 'open' | 'storages' | 'storageOf' | 'events'>;
  /** Says when rounds are due, and is told how they go. */
  readonly figures: ScrubFigures;
  readonly memory: StorageMemory;
  /** Stored bytes read a second, of all LSUs together. */
  readonly bytesPerSecond: number;
  /** Of this engine and of the next one on this machine, which goes on at once. */
  readonly name: string;
  readonly log: Logger;
  /** Told of what is damaged. */
  readonly onDamage?: (error: EngineError, what: string) => void;
  readonly lookMs?: number;
}

/**
 * Verifies all images of a server once in an interval, and tells of damage by the log and an event. Images in use are not kept from anybody.
 * The LSUs of one storage come one after the other; storages do not wait for each other, since one may hang.
 */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #pace: Pace;
  readonly #watches: readonly Watch[];

  constructor(options: ScrubberOptions) {
    const { server, bytesPerSecond, lookMs = LOOK_MS } = options;
    this.#options = options;
    this.#pace = new Pace(bytesPerSecond);
    this.#watches = server.storages().map((storage) => new Watch((signal) => this.#look(storage, signal), lookMs));
    for (const watch of this.#watches) watch.soon();
  }

  /** Stop; where it was is noted. */
  async close(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.close()));
  }

  async #look(storage: Storage, signal: AbortSignal): Promise<void> {
    const { server, figures, log } = this.#options;
    const here = (lsu: string): boolean => server.storageOf(lsu) === storage;
    // Another storage of the server may keep the list from us: then this one is asked for what lies in it.
    const listed = await server
      .lsus()
      .catch(() => storage.lsus({ signal }))
      .catch(() => undefined);
    const lsus = listed?.filter(here) ?? [];
    if (listed !== undefined) figures.found(lsus, here);
    for (const lsu of lsus) {
      if (signal.aborted) return;
      await this.#scrub(lsu, storage, signal).catch((error: unknown) => {
        if (failureOf(error) !== 'aborted')
          log.warn({ err: error, lsu }, 'the scrub is interrupted; it is tried again');
      });
    }
  }

  async #scrub(lsu: string, storage: Storage, signal: AbortSignal): Promise<void> {
    const { server, figures, memory, name, log } = this.#options;
    const result = await scrub(await server.open(lsu), memory.of(storage).resources, {
      name,
      pace: this.#pace,
      everyMs: figures.intervalMs,
      readAhead: READ_AHEAD,
      signal,
      onRead: (bytes) => figures.read(lsu, bytes),
      onRecord: (record) => figures.record(lsu, record),
      onImage: ({ imageId, error }: ScrubbedImage) =>
        error === undefined ? figures.verified(lsu, 'good') : this.#tell(lsu, imageId, error),
    });
    if (result.end !== 'not-due') log.info({ lsu, ...result }, 'scrub');
  }

  async #tell(lsu: string, imageId: string, error: EngineError): Promise<void> {
    const { server, figures, log, onDamage } = this.#options;
    if (error.failure === 'unsupported') {
      log.warn({ err: error, lsu, image: imageId }, 'an image that this version cannot verify');
      return;
    }
    figures.verified(lsu, 'damaged');
    log.error(
      { err: error, lsu, image: imageId },
      'the scrub found a damaged image: vast-ost repair heals it from a copy',
    );
    onDamage?.(error, `scrub ${lsu}/${imageId}`);
    const payload = { severity: 'ERROR', image_id: imageId, code: error.code, text: `damaged: ${error.message}` };
    await server.events.append({ type: EVENT_TYPE.LSU_CHANGED, lsu, payload: JSON.stringify(payload) });
  }
}
