import { EngineError } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import { NONE, type RotationJournal, type RotationState } from './journal.ts';

/** One kind of secret of one user: his access keys, his API tokens. */
export interface Rotated {
  /** The id of the one in use, as its file says; undefined when the file says none. */
  current(): Promise<string | undefined>;
  /** Ids that are in force at the cluster. */
  existing(options: RequestOptions): Promise<readonly string[]>;
  /** Make a new one; its secret is told only now, so `save` keeps it where everybody finds it. */
  make(options: RequestOptions): Promise<{ readonly id: string; save(): Promise<void> }>;
  /** What is gone already is no error. */
  remove(id: string, options: RequestOptions): Promise<void>;
  /** How many there may be at the same time. */
  readonly most: number;
}

export interface RotationOptions {
  readonly journal: RotationJournal;
  /** Age at which the secret is replaced, milliseconds. */
  readonly everyMs: number;
  /** How long the old one stays good, so that everybody has the new one, milliseconds. */
  readonly graceMs: number;
  /** Milliseconds since the epoch: rotation outlives the process. */
  readonly now?: () => number;
}

/** What a run did. */
export type RotationOutcome = 'waiting' | 'replaced' | 'retired' | 'repaired';

/**
 * Replaces a secret on a schedule without ever leaving its users without a good one: the new one is made and saved, the old one goes
 * only after a grace. Every step is noted before it is taken: whoever comes after a crash finishes or undoes it, and a secret whose
 * answer was lost is found and removed. At most one run at a time.
 */
export class Rotation {
  readonly #rotated: Rotated;
  readonly #options: RotationOptions;
  readonly #now: () => number;
  #running: Promise<RotationOutcome> | undefined;

  constructor(rotated: Rotated, options: RotationOptions) {
    this.#rotated = rotated;
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Do what is due. A run that fails may be repeated; callers at the same time share one. */
  run(options: RequestOptions = {}): Promise<RotationOutcome> {
    this.#running ??= this.#run(options).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(options: RequestOptions): Promise<RotationOutcome> {
    const { journal, everyMs } = this.#options;
    const state = await journal.read();
    const current = await this.#rotated.current();
    // Nothing was made yet, so there is nothing to replace.
    if (current === undefined) return 'waiting';
    if (state === undefined) {
      await journal.write({ since: this.#now() });
      return 'waiting';
    }
    if (state.making?.old === NONE) {
      // It is in its file, so it was the last thing that was made.
      await journal.write({ since: this.#now() });
      return 'repaired';
    }
    if (state.making !== undefined) return this.#repair(state, state.making, current, options);
    if (state.retiring !== undefined) return this.#retire(state, state.retiring, current, options);
    // A clock that was set back must not stop rotation for ever.
    if (this.#now() - state.since < everyMs && state.since <= this.#now()) return 'waiting';
    return this.#replace(current, state, options);
  }

  async #replace(current: string, state: RotationState, options: RequestOptions): Promise<RotationOutcome> {
    const { journal, graceMs } = this.#options;
    const before = await this.#rotated.existing(options);
    if (before.length >= this.#rotated.most) {
      throw new EngineError(
        'VOST_ROTATION',
        'capacity',
        `there are ${before.length} already, so no new one can be made`,
        {
          advice: 'delete the ones that nobody uses; at most one may be there beside the next',
        },
      );
    }
    await journal.write({ ...state, making: { old: current, before: [...before] } });
    const made = await this.#rotated.make(options);
    try {
      await made.save();
    } catch (error) {
      await this.#rotated.remove(made.id, options);
      await journal.write({ since: state.since });
      throw error;
    }
    await journal.write({ since: this.#now(), retiring: { id: current, at: this.#now() + graceMs } });
    return 'replaced';
  }

  /** A run ended between making and saving, or right after saving. */
  async #repair(
    state: RotationState,
    { old, before }: NonNullable<RotationState['making']>,
    current: string,
    options: RequestOptions,
  ): Promise<RotationOutcome> {
    const { journal, graceMs } = this.#options;
    for (const id of await this.#rotated.existing(options)) {
      // Made by the run that ended; nobody knows its secret.
      if (id !== current && !before.includes(id)) await this.#rotated.remove(id, options);
    }
    const saved = current !== old;
    await journal.write(
      saved ? { since: this.#now(), retiring: { id: old, at: this.#now() + graceMs } } : { since: state.since },
    );
    return 'repaired';
  }

  async #retire(
    state: RotationState,
    { id, at }: NonNullable<RotationState['retiring']>,
    current: string,
    options: RequestOptions,
  ): Promise<RotationOutcome> {
    if (this.#now() < at && at - this.#now() <= this.#options.graceMs) return 'waiting';
    // Somebody put the old one back into the file: it stays.
    if (id !== current) await this.#rotated.remove(id, options);
    await this.#options.journal.write({ since: state.since });
    return 'retired';
  }
}
