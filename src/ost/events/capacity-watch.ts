import type { Logger } from 'pino';
import type { Capacity } from '../capacity.ts';
import { EVENT_TYPE } from '../wire/constants.ts';
import { UNKNOWN } from '../wire/kinds.ts';
import type { EventLog } from './event-log.ts';

/** A little below the mark again, so that an LSU on the brink does not tell every minute. */
const HYSTERESIS = 2;
const HUNDRED = 100n;

export interface CapacityWatchOptions {
  readonly events: Pick<EventLog, 'append' | 'lastOf'>;
  /** The LSUs known now. */
  readonly lsus: () => readonly string[];
  /** From memory: looking must cost the storage nothing more than polls do. */
  readonly capacity: (lsu: string) => Promise<Capacity>;
  /** Per cent of an LSU at which it is told to be nearly full. */
  readonly highWater: number;
  readonly log: Logger;
}

/** Tells when an LSU crosses its high-water mark, upwards and back; once, also across restarts. */
export class CapacityWatch {
  readonly #options: CapacityWatchOptions;
  readonly #full = new Map<string, boolean>();

  constructor(options: CapacityWatchOptions) {
    this.#options = options;
  }

  /** Look once at every LSU. Never throws. */
  async look(): Promise<void> {
    for (const lsu of this.#options.lsus()) {
      const capacity = await this.#options.capacity(lsu).catch(() => undefined);
      if (capacity !== undefined) await this.#judge(lsu, capacity);
    }
  }

  async #judge(lsu: string, { total, used }: Capacity): Promise<void> {
    if (total === UNKNOWN || used === UNKNOWN || total === 0n) return;
    const { highWater, log, events } = this.#options;
    const percent = Number((used * HUNDRED) / total);
    const was = this.#full.get(lsu) ?? this.#wasToldFull(lsu);
    const is = was ? percent > highWater - HYSTERESIS : percent >= highWater;
    this.#full.set(lsu, is);
    if (is === was) return;
    const state = is ? 'high' : 'normal';
    log[is ? 'warn' : 'info'](
      { lsu, percent, high_water: highWater },
      `LSU is ${is ? 'nearly full' : 'no longer full'}`,
    );
    const payload = JSON.stringify({ state, percent, used: String(used), total: String(total), high_water: highWater });
    await events.append({ type: EVENT_TYPE.CAPACITY, lsu, payload });
  }

  #wasToldFull(lsu: string): boolean {
    return this.#options.events.lastOf(EVENT_TYPE.CAPACITY, lsu)?.payload.includes('"state":"high"') ?? false;
  }
}
