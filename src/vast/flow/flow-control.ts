import { performance } from 'node:perf_hooks';
import { EngineError } from '../../errors.ts';
import { FlowGate, type FlowOutcome } from './flow-gate.ts';
import { type GateFigures, JointGate } from './gate-figures.ts';
import type { Decision } from './hill-climb.ts';
import { PartSize } from './part-size.ts';
import { ReadAhead } from './read-ahead.ts';
import type { SizeDecision, SteppedSize } from './stepped-size.ts';

/** Requests with less payload pass by: they are answered when the server likes, and say nothing about the way. */
const PAYLOAD_BYTES = 1024 * 1024;
const BUSY = new Set([429, 503]);

export type Direction = 'write' | 'read';

export interface FlowDecision extends Decision {
  readonly direction: Direction;
}

export interface FlowControlOptions {
  /** Most requests in flight in each direction; undefined: as many as callers like. */
  readonly most: Readonly<Record<Direction, number | undefined>>;
  /** What parts in flight may hold together, bytes, and how many there are when that is given; undefined: their size is given. */
  readonly parts?: { readonly memory: number; readonly streams: number } | undefined;
  /** Called whenever a limit changes; for log lines. */
  readonly onDecision?: ((decision: FlowDecision) => void) | undefined;
  /** Called whenever a size changes; for log lines. */
  readonly onSize?: ((decision: SizeDecision) => void) | undefined;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** How long this thread has been at work so far, milliseconds. */
  readonly worked?: () => number;
}

/**
 * How many requests with payload one storage gets at the same time: found out while it works, for writing and for reading. How large they are, and how much
 * is read ahead, follows from that.
 */
export class FlowControl {
  readonly write: FlowGate | undefined;
  readonly read: FlowGate | undefined;
  /** Undefined where it is given, as `ahead`. */
  readonly parts: PartSize | undefined;
  readonly ahead: ReadAhead | undefined;
  #uneven: () => boolean = () => false;
  readonly #joint: Readonly<Record<Direction, JointGate | undefined>>;

  constructor({ most, parts, onDecision, onSize, ...clock }: FlowControlOptions) {
    const { now = () => performance.now(), worked = () => performance.eventLoopUtilization().active } = clock;
    const gate = (direction: Direction): FlowGate | undefined => {
      const limit = most[direction];
      if (limit === undefined) return undefined;
      return new FlowGate({
        most: limit,
        now,
        worked,
        uneven: () => this.#uneven(),
        onDecision: (decision) => onDecision?.({ ...decision, direction }),
      });
    };
    this.write = gate('write');
    this.read = gate('read');
    const { write, read } = this;
    this.#joint = { write: write && new JointGate(write), read: read && new JointGate(read) };
    this.parts = parts && new PartSize({ ...parts, gate: this.#joint.write, onDecision: onSize });
    this.ahead = this.#joint.read && new ReadAhead(this.#joint.read, onSize);
  }

  /** Where requests go to several servers: `uneven` tells whether some are several times slower than others. */
  spread(uneven: () => boolean): void {
    this.#uneven = uneven;
  }

  /** Sizes that follow from what was found out. */
  sizes(): readonly SteppedSize[] {
    const { parts, ahead } = this;
    return [...(parts ? [parts.size] : []), ...(ahead ? [ahead.request, ahead.ahead] : [])];
  }

  /** What another thread that works with the same storage has found out; undefined when it has gone. Sizes follow from both. */
  hear(thread: number, gates: Readonly<Partial<Record<Direction, GateFigures>>> | undefined): void {
    for (const direction of ['write', 'read'] as const) this.#joint[direction]?.hear(thread, gates?.[direction]);
  }

  /** Run one attempt of a request when there is a place for it. */
  async run<T>(
    operation: string,
    bytes: number,
    signal: AbortSignal | undefined,
    attempt: () => Promise<T>,
  ): Promise<T> {
    const gate = operation === 'read' ? this.read : this.write;
    if (gate === undefined || bytes < PAYLOAD_BYTES) return attempt();
    const leave = await gate.enter(bytes, signal);
    let outcome: FlowOutcome = 'failed';
    try {
      const result = await attempt();
      outcome = 'moved';
      return result;
    } catch (error) {
      if (isBusy(error)) outcome = 'busy';
      throw error;
    } finally {
      leave(outcome);
    }
  }
}

/** Whether a server asks for fewer requests: SlowDown and its like (503, 429). */
export function isBusy(error: unknown): boolean {
  return error instanceof EngineError && BUSY.has(error.details['httpStatus'] as number);
}
