import { EngineError } from '../../errors.ts';
import { FlowGate, type FlowOutcome } from './flow-gate.ts';
import type { Decision } from './hill-climb.ts';

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
  /** Called whenever a limit changes; for log lines and metrics. */
  readonly onDecision?: ((decision: FlowDecision) => void) | undefined;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** How many requests with payload one storage gets at the same time: found out while it works, for writing and for reading. */
export class FlowControl {
  readonly write: FlowGate | undefined;
  readonly read: FlowGate | undefined;

  constructor({ most, onDecision, now = () => performance.now() }: FlowControlOptions) {
    const gate = (direction: Direction): FlowGate | undefined => {
      const limit = most[direction];
      if (limit === undefined) return undefined;
      return new FlowGate({ most: limit, now, onDecision: (decision) => onDecision?.({ ...decision, direction }) });
    };
    this.write = gate('write');
    this.read = gate('read');
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
