import type { ObjectStore } from '../vast/store.ts';
import { readScrubState, type ScrubRound, type ScrubState, writeScrubState } from './scrub-state.ts';

/** How often where the scrub is gets written, at most: a scrub that is killed repeats no more than this. */
const SAVE_MS = 300_000;
/** For how long others believe that a scrub which wrote goes on. */
const BELIEVED_MS = 3 * SAVE_MS;

/** The round that goes on, and the last one that came to its end. */
export type ScrubRecord = Pick<ScrubState, 'round' | 'last'>;

export interface ScrubLogOptions {
  readonly name: string;
  readonly everyMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRecord?: ((record: ScrubRecord) => void) | undefined;
}

/** Where one run of a scrub is, written now and then to the LSU's record. */
export class ScrubLog {
  readonly #store: ObjectStore;
  readonly #options: ScrubLogOptions;
  readonly #now: () => number;
  #round: ScrubRound | undefined;
  #last: ScrubState['last'];
  #saved = -Infinity;
  #taken = false;

  private constructor(store: ObjectStore, options: ScrubLogOptions, now: () => number, state: ScrubState) {
    this.#store = store;
    this.#options = options;
    this.#now = now;
    this.#last = state.last;
    this.#round = state.round ?? { began: iso(now()), images: 0, bytes: 0, damaged: 0 };
  }

  /** Go on with the round that there is, or begin one; undefined when it is not time, or somebody else's work. */
  static async begin(store: ObjectStore, options: ScrubLogOptions, now: () => number): Promise<ScrubLog | undefined> {
    const state = await readScrubState(store, options.signal);
    const { everyMs, onRecord } = options;
    if (everyMs !== undefined) {
      const others = state.by !== undefined && state.by.name !== options.name && Date.parse(state.by.until) > now();
      const early =
        state.round === undefined && state.last !== undefined && Date.parse(state.last.began) + everyMs > now();
      if (others || early) {
        onRecord?.(state);
        return undefined;
      }
    }
    const log = new ScrubLog(store, options, now, state);
    await log.#write(true);
    return log;
  }

  /** The last image that is done; '' before the first. */
  get after(): string {
    return this.#round?.after ?? '';
  }

  /** From which logical byte on an image is still to be verified in this round. */
  offsetIn(image: string, committed: string): number {
    const within = this.#round?.within;
    return within?.image === image && within.committed === committed ? within.offset : 0;
  }

  /** The image after {@link after} is verified so far. */
  within(within: NonNullable<ScrubRound['within']>): void {
    if (this.#round) this.#round = { ...this.#round, within };
  }

  /** An image is done. */
  pass(image: string, bytes: number, damaged: boolean): void {
    if (!this.#round) return;
    const { within: _, ...round } = this.#round;
    this.#round = {
      ...round,
      after: image,
      images: round.images + 1,
      bytes: round.bytes + bytes,
      damaged: round.damaged + (damaged ? 1 : 0),
    };
  }

  /** Write it down when the last time is some minutes ago. `taken` when another scrub has gone on from there: stop. */
  async save(): Promise<'ours' | 'taken'> {
    if (this.#now() - this.#saved < SAVE_MS) return 'ours';
    const { by } = await readScrubState(this.#store, this.#options.signal);
    this.#taken = by !== undefined && by.name !== this.#options.name;
    if (this.#taken) return 'taken';
    await this.#write(true);
    return 'ours';
  }

  /** The round has come to its end. */
  async finish(): Promise<void> {
    if (!this.#round) return;
    const { began, images, bytes, damaged } = this.#round;
    this.#last = { began, ended: iso(this.#now()), images, bytes, damaged };
    this.#round = undefined;
  }

  /** Write where we are and that nobody is at it; as well as it goes, since whoever comes next needs none of it. Not stopped by the signal. */
  async leave(): Promise<void> {
    if (this.#taken) return;
    const state = await readScrubState(this.#store).catch(() => undefined);
    if (state?.by !== undefined && state.by.name !== this.#options.name) return;
    await this.#write(false).catch(() => undefined);
  }

  async #write(present: boolean): Promise<void> {
    const now = this.#now();
    const { name, signal, onRecord } = this.#options;
    const by = { name, until: iso(now + BELIEVED_MS) };
    await writeScrubState(
      this.#store,
      {
        format: 'vast-ost-scrub',
        version: 1,
        ...(this.#round ? { round: this.#round } : {}),
        ...(this.#last ? { last: this.#last } : {}),
        ...(present ? { by } : {}),
      },
      present ? signal : undefined,
    );
    this.#saved = now;
    onRecord?.({ round: this.#round, last: this.#last });
  }
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
