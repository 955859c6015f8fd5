import type { Logger } from 'pino';
import type { ImageIdentity } from '../../image/identity.ts';
import { EventFile, MAX_PAYLOAD, type StoredEvent } from './event-file.ts';

/** Events kept; older ones are forgotten. */
const KEPT = 1024;

/** What happened, before it has a number. */
export interface NewEvent {
  /** EVENT_TYPE of the protocol. */
  readonly type: StoredEvent['type'];
  readonly lsu: string;
  readonly image?: ImageIdentity | undefined;
  /** Text for the host, at most 8192 characters. */
  readonly payload: string;
}

/**
 * The events of one storage server. Their numbers grow for ever, also across restarts: an event is told only once
 * its number is on disk.
 */
export class EventLog {
  readonly #file: EventFile;
  readonly #log: Logger;
  readonly #events: StoredEvent[];
  readonly #waiters = new Set<() => void>();
  /** Numbered, on their way to disk. */
  #unwritten: StoredEvent[] = [];
  #writing: Promise<void> = Promise.resolve();
  #sequence: number;
  #lines: number;

  private constructor(file: EventFile, events: StoredEvent[], log: Logger) {
    this.#file = file;
    this.#log = log;
    this.#events = events.slice(-KEPT);
    this.#sequence = events.at(-1)?.sequence ?? 0;
    this.#lines = events.length;
  }

  static async open(path: string, log: Logger): Promise<EventLog> {
    const { file, events } = await EventFile.open(path);
    return new EventLog(file, events, log);
  }

  /** Number of the newest event that may be told. */
  get latest(): number {
    return this.#events.at(-1)?.sequence ?? 0;
  }

  /** Note an event; it can be read when this resolves. Never throws: an event that no disk takes is told all the same, and logged. */
  async append(event: NewEvent): Promise<void> {
    this.#sequence += 1;
    const time = Math.floor(Date.now() / 1000);
    this.#unwritten.push({
      ...event,
      image: event.image,
      payload: event.payload.slice(0, MAX_PAYLOAD),
      sequence: this.#sequence,
      time,
    });
    // Whatever gathers while one write runs goes out with the next.
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
  }

  /** Events with numbers above `after`, oldest first, at most `max`. */
  read(after: number, max: number): readonly StoredEvent[] {
    const from = this.#events.findIndex(({ sequence }) => sequence > after);
    return from < 0 ? [] : this.#events.slice(from, from + max);
  }

  /** The newest event of a type, about an LSU when one is named, that is still kept. */
  lastOf(type: number, lsu?: string): StoredEvent | undefined {
    return this.#events.findLast((event) => event.type === type && (lsu === undefined || event.lsu === lsu));
  }

  find(sequence: number): StoredEvent | undefined {
    return this.#events.find((event) => event.sequence === sequence);
  }

  /** Wait until there is an event above `after`, or the time is up, or the signal fires. */
  async wait(after: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.latest > after || timeoutMs === 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#waiters.delete(look);
        resolve();
      };
      const look = (): void => {
        if (this.latest > after) done();
      };
      const timer = setTimeout(done, timeoutMs);
      signal.addEventListener('abort', done, { once: true });
      this.#waiters.add(look);
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #write(): Promise<void> {
    const events = this.#unwritten;
    if (events.length === 0) return;
    this.#unwritten = [];
    const kept = [...this.#events, ...events].slice(-KEPT);
    try {
      this.#lines += events.length;
      if (this.#lines <= 2 * KEPT) {
        await this.#file.append(events);
      } else {
        await this.#file.rewrite(kept);
        this.#lines = kept.length;
      }
    } catch (error) {
      this.#log.error({ err: error }, 'an event could not be written to disk');
    }
    this.#events.splice(0, this.#events.length, ...kept);
    for (const look of this.#waiters) look();
  }
}
