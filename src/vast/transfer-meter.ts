import type { Direction } from './flow/flow-control.ts';

/** What a request with payload is doing: its bytes are `moving`, or the storage is `answering`. */
export type TransferPhase = 'moving' | 'answering';

/** Milliseconds in each phase, summed over requests. */
export type PhaseTimes = Readonly<Record<TransferPhase, number>>;

/** How the bytes of a request's connection are doing. */
export interface WireState {
  /** Some are still on this side. */
  readonly unsent: boolean;
  /** Bytes that have arrived, since the connection was made. */
  readonly acknowledged: number;
  /** For how long the other side had no room for them, milliseconds since the connection was made. */
  readonly closedMs: number;
}

/** Undefined while nobody knows. */
export type Probe = () => WireState | undefined;

/** Requests with less payload say nothing about the way: the kernels' buffers take it at once. */
const PAYLOAD_BYTES = 1024 * 1024;
/** How often connections are looked at, milliseconds. */
const LOOK_MS = 200;
/** No byte for so long, and no room for one on the other side: nobody reads there. One who reads slowly makes room more often. */
const STALL_MS = 400;

/** One request: it is in one phase at a time. A second {@link end} does nothing. */
export interface Transfer {
  phase(next: TransferPhase): void;
  end(): void;
}

interface TransferOptions {
  readonly phase: TransferPhase;
  readonly now: () => number;
  readonly probe: Probe | undefined;
  readonly sums: Record<TransferPhase, number>;
  readonly onEnd: (transfer: RunningTransfer) => void;
}

class RunningTransfer implements Transfer {
  readonly #options: TransferOptions;
  #phase: TransferPhase;
  /** Up to when its time is in the sums, and how the wire was then. */
  #since: number;
  #wire: WireState | undefined;
  #ended = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#phase = options.phase;
    this.#since = options.now();
    this.#wire = options.probe?.();
  }

  phase(next: TransferPhase): void {
    this.settle();
    this.#phase = next;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#settle(true);
    this.#options.onEnd(this);
  }

  /** Put the time that has passed where it belongs, as far as that is known. */
  settle(): void {
    if (!this.#ended) this.#settle(false);
  }

  #settle(last: boolean): void {
    const { now, probe, sums } = this.#options;
    const at = now();
    const wire = probe?.();
    const passed = at - this.#since;
    const phase = this.#judge(wire, passed) ?? (last ? this.#phase : undefined);
    if (phase === undefined) return;
    sums[phase] += passed;
    this.#since = at;
    this.#wire = wire;
  }

  /** Undefined: no byte has moved since, but not for long. */
  #judge(wire: WireState | undefined, passed: number): TransferPhase | undefined {
    const before = this.#wire;
    if (wire === undefined || before === undefined || !wire.unsent) return this.#phase;
    if (wire.acknowledged !== before.acknowledged) return 'moving';
    if (passed < STALL_MS) return undefined;
    return wire.closedMs - before.closedMs >= passed / 2 ? 'answering' : 'moving';
  }
}

/**
 * Tells the way to a storage from the storage: where the time of its requests with payload goes. Bytes that cannot leave because nobody
 * reads them at the other end wait for the storage, as an answer does.
 */
export class TransferMeter {
  readonly #now: () => number;
  readonly #sums: Readonly<Record<Direction, Record<TransferPhase, number>>> = {
    write: { moving: 0, answering: 0 },
    read: { moving: 0, answering: 0 },
  };
  readonly #running: Readonly<Record<Direction, Set<RunningTransfer>>> = { write: new Set(), read: new Set() };
  #timer: NodeJS.Timeout | undefined;

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * A request begins: a write with its bytes, a read with the wait for the answer. Undefined when it has too little payload to say anything.
   *
   * @param probe of the connection of a write, looked at a few times a second.
   */
  begin(direction: Direction, bytes: number, probe?: Probe): Transfer | undefined {
    if (bytes < PAYLOAD_BYTES) return undefined;
    const running = this.#running[direction];
    const transfer = new RunningTransfer({
      phase: direction === 'write' ? 'moving' : 'answering',
      now: this.#now,
      probe,
      sums: this.#sums[direction],
      onEnd: (ended) => {
        running.delete(ended);
        if (this.#running.write.size === 0) this.#stop();
      },
    });
    running.add(transfer);
    if (direction === 'write') this.#timer ??= setInterval(() => this.#settle('write'), LOOK_MS).unref();
    return transfer;
  }

  /** The times up to now, since the storage was opened; those of a stall that may still end come later. */
  read(direction: Direction): PhaseTimes {
    this.#settle(direction);
    return { ...this.#sums[direction] };
  }

  #settle(direction: Direction): void {
    for (const transfer of this.#running[direction]) transfer.settle();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
