import type { Direction } from './flow/flow-control.ts';

/** What a request with payload is doing: its bytes are `moving`, or the storage is `answering`. */
export type TransferPhase = 'moving' | 'answering';

/** Milliseconds in each phase, summed over requests. */
export type PhaseTimes = Readonly<Record<TransferPhase, number>>;

/** Requests with less payload say nothing about the way: the kernels' buffers take it at once. */
const PAYLOAD_BYTES = 1024 * 1024;

class Phases {
  readonly #times: Record<TransferPhase, number> = { moving: 0, answering: 0 };
  readonly #running: Record<TransferPhase, number> = { moving: 0, answering: 0 };
  #since = 0;

  change(phase: TransferPhase, by: 1 | -1, now: number): void {
    this.read(now);
    this.#running[phase] += by;
  }

  read(now: number): PhaseTimes {
    const passed = now - this.#since;
    this.#since = now;
    this.#times.moving += passed * this.#running.moving;
    this.#times.answering += passed * this.#running.answering;
    return { ...this.#times };
  }
}

/** One request: it is in one phase at a time. A second {@link end} does nothing. */
export interface Transfer {
  phase(next: TransferPhase): void;
  end(): void;
}

/** Tells the way to a storage from the storage: where the time of its requests with payload goes. */
export class TransferMeter {
  readonly #now: () => number;
  readonly #phases: Readonly<Record<Direction, Phases>> = { write: new Phases(), read: new Phases() };

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A request begins: a write with its bytes, a read with the wait for the answer. Undefined when it has too little payload to say anything. */
  begin(direction: Direction, bytes: number): Transfer | undefined {
    if (bytes < PAYLOAD_BYTES) return undefined;
    const phases = this.#phases[direction];
    let now: TransferPhase | undefined = direction === 'write' ? 'moving' : 'answering';
    phases.change(now, 1, this.#now());
    const leave = (): void => {
      if (now !== undefined) phases.change(now, -1, this.#now());
      now = undefined;
    };
    return {
      phase: (next) => {
        if (now === undefined || now === next) return;
        leave();
        now = next;
        phases.change(next, 1, this.#now());
      },
      end: leave,
    };
  }

  /** The times up to now, since the storage was opened. */
  read(direction: Direction): PhaseTimes {
    return this.#phases[direction].read(this.#now());
  }
}
