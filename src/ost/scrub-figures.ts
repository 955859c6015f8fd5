import type { ScrubRecord } from '../image/scrub-log.ts';

/** What is told of the scrub of one LSU. The counts begin with the engine, the times stand in the LSU. */
export interface LsuScrub {
  /** Images that were verified to their end. */
  readonly good: number;
  readonly damaged: number;
  /** Stored bytes read. */
  readonly bytes: number;
  /** When the round that goes on began, milliseconds since the epoch; undefined between two rounds, and while nobody knows. */
  readonly began: number | undefined;
  /** When a whole round last ended; undefined before the first, and while nobody knows. */
  readonly ended: number | undefined;
}

const NEW: LsuScrub = { good: 0, damaged: 0, bytes: 0, began: undefined, ended: undefined };

/** How the scrub of a server's LSUs goes. */
export class ScrubFigures {
  /** From the beginning of one round to that of the next, milliseconds. */
  readonly intervalMs: number;
  readonly #lsus = new Map<string, LsuScrub>();

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs;
  }

  /** By LSU. */
  get lsus(): ReadonlyMap<string, LsuScrub> {
    return this.#lsus;
  }

  /** These LSUs are there, and no others among those that `ours` chooses. */
  found(lsus: readonly string[], ours: (lsu: string) => boolean): void {
    for (const lsu of this.#lsus.keys()) if (ours(lsu) && !lsus.includes(lsu)) this.#lsus.delete(lsu);
    for (const lsu of lsus) this.#change(lsu, {});
  }

  verified(lsu: string, result: 'good' | 'damaged'): void {
    this.#change(lsu, { [result]: (this.#lsus.get(lsu)?.[result] ?? 0) + 1 });
  }

  read(lsu: string, bytes: number): void {
    this.#change(lsu, { bytes: (this.#lsus.get(lsu)?.bytes ?? 0) + bytes });
  }

  record(lsu: string, { round, last }: ScrubRecord): void {
    const time = (iso: string | undefined): number | undefined => (iso === undefined ? undefined : Date.parse(iso));
    this.#change(lsu, { began: time(round?.began), ended: time(last?.ended) });
  }

  #change(lsu: string, what: Partial<LsuScrub>): void {
    this.#lsus.set(lsu, { ...(this.#lsus.get(lsu) ?? NEW), ...what });
  }
}
