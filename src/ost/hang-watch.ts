import type { Logger } from 'pino';
import { Watch } from './events/watch.ts';
import type { StorageFigures } from './storage-figures.ts';

/** What is looked at, of all threads together. */
export type StorageCalls = Pick<StorageFigures, 'name' | 'calls'>;

/** A call that takes longer than this counts as one that hangs, milliseconds. */
const HANGS_MS = 30_000;
const LOOK_MS = 5_000;

export interface HangWatchOptions {
  /** The storages that there are now. */
  readonly storages: () => Iterable<StorageCalls>;
  readonly log: Logger;
  readonly lookMs?: number;
  readonly hangsMs?: number;
}

/** Tells by the log when the calls on a directory do not come back, as those on an NFS mount whose server hangs, and when they do again. */
export class HangWatch {
  readonly #options: HangWatchOptions;
  readonly #watch: Watch;
  readonly #hung = new Set<string>();

  constructor(options: HangWatchOptions) {
    this.#options = options;
    this.#watch = new Watch(async () => this.#look(), options.lookMs ?? LOOK_MS);
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  #look(): void {
    const { storages, log, hangsMs = HANGS_MS } = this.#options;
    for (const { name, calls: status } of storages()) {
      const hangs = (status?.oldestMs ?? 0) >= hangsMs;
      if (hangs === this.#hung.has(name)) continue;
      if (hangs) this.#hung.add(name);
      else this.#hung.delete(name);
      if (hangs) log.warn({ storage: name, ...status }, `${name} does not answer: images on it wait, the others go on`);
      else log.info({ storage: name }, `${name} answers again`);
    }
  }
}

/** What an engine that stops could not wait for: calls that the kernel does not give back. */
export function tellStuckCalls(storages: Iterable<StorageCalls>, log: Logger): void {
  for (const { name, calls: status } of storages) {
    if (status === undefined || status.inFlight === 0) continue;
    log.error(
      { storage: name, ...status },
      `the engine ends without ${status.inFlight} calls on ${name} that do not come back: its mount hangs; images on it go on with the next engine`,
    );
  }
}
