import type { Logger } from 'pino';
import type { EngineError } from '../errors.ts';
import { failureOf } from '../errors.ts';
import { type ScrubbedImage, scrub } from '../image/scrub.ts';
import { Watch } from './events/watch.ts';
import type { StorageMemory } from './storage-memory.ts';
import type { StorageServer } from './storage-server.ts';
import { EVENT_TYPE } from './wire/constants.ts';

/** How often is looked whether a round is due. */
const LOOK_MS = 60_000;
/** Backups and restores come first. */
const READ_AHEAD = 1;

export interface ScrubberOptions {
  readonly server: Pick<StorageServer, 'lsus' | 'open' | 'storageOf' | 'events'>;
  readonly memory: StorageMemory;
  /** From the beginning of one round to that of the next, milliseconds. */
  readonly intervalMs: number;
  /** Stored bytes read a second, of all LSUs together: one is scrubbed after the other. */
  readonly bytesPerSecond: number;
  /** Of this engine and of the next one on this machine, which goes on at once. */
  readonly name: string;
  readonly log: Logger;
  /** Told of what is damaged. */
  readonly onDamage?: (error: EngineError, what: string) => void;
  readonly lookMs?: number;
}

/** Verifies all images of a server once in an interval, and tells of damage by the log and an event. Images in use are not kept from anybody. */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #watch: Watch;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#watch = new Watch((signal) => this.#look(signal), options.lookMs ?? LOOK_MS);
    this.#watch.soon();
  }

  /** Stop; where it was is noted. */
  close(): Promise<void> {
    return this.#watch.close();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { server, log } = this.#options;
    const lsus = await server.lsus().catch(() => []);
    for (const lsu of lsus) {
      if (signal.aborted) return;
      await this.#scrub(lsu, signal).catch((error: unknown) => {
        if (failureOf(error) !== 'aborted')
          log.warn({ err: error, lsu }, 'the scrub is interrupted; it is tried again');
      });
    }
  }

  async #scrub(lsu: string, signal: AbortSignal): Promise<void> {
    const { server, memory, intervalMs, bytesPerSecond, name, log } = this.#options;
    const result = await scrub(await server.open(lsu), memory.of(server.storageOf(lsu)).resources, {
      name,
      bytesPerSecond,
      everyMs: intervalMs,
      readAhead: READ_AHEAD,
      signal,
      onImage: ({ imageId, error }: ScrubbedImage) =>
        error === undefined ? undefined : this.#tell(lsu, imageId, error),
    });
    if (result.end !== 'not-due') log.info({ lsu, ...result }, 'scrub');
  }

  async #tell(lsu: string, imageId: string, error: EngineError): Promise<void> {
    const { server, log, onDamage } = this.#options;
    if (error.failure === 'unsupported') {
      log.warn({ err: error, lsu, image: imageId }, 'an image that this version cannot verify');
      return;
    }
    log.error(
      { err: error, lsu, image: imageId },
      'the scrub found a damaged image: vast-ost repair heals it from a copy',
    );
    onDamage?.(error, `scrub ${lsu}/${imageId}`);
    const payload = { severity: 'ERROR', image_id: imageId, code: error.code, text: `damaged: ${error.message}` };
    await server.events.append({ type: EVENT_TYPE.LSU_CHANGED, lsu, payload: JSON.stringify(payload) });
  }
}
