import { EngineError, failureOf } from '../../errors.ts';
import { type RetryClock, systemClock } from '../retry.ts';
import type { RequestOptions } from '../store.ts';
import { errorText } from './errors.ts';
import { TaskRow } from './rows.ts';
import type { VmsSession } from './session.ts';

const FIRST_MS = 1_000;
const GROWTH = 1.5;
const LONGEST_MS = 30_000;
const DEADLINE_MS = 600_000;
/** Polls that may fail in a row: a cluster that works hard answers badly. */
const FAILURES = 6;

export interface WaitOptions extends RequestOptions {
  /** How long the task may take, milliseconds. Default ten minutes. */
  readonly deadlineMs?: number;
}

/**
 * The number of the task in an answer, undefined when there is none: `async_task: {id}`, `task_id`, or the record of the task
 * itself, which has a name and messages.
 */
export function taskOf(answer: unknown): number | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { async_task: task, task_id: number, id, messages } = answer as Readonly<Record<string, unknown>>;
  const candidates = [
    typeof task === 'object' && task !== null ? (task as Readonly<Record<string, unknown>>)['id'] : task,
    number,
    Array.isArray(messages) ? id : undefined,
  ];
  return candidates.find((candidate) => Number.isSafeInteger(candidate)) as number | undefined;
}

/** Tasks that the cluster carries out after it has answered. */
export class Tasks {
  readonly #session: VmsSession;
  readonly #clock: RetryClock;

  constructor(session: VmsSession, clock: RetryClock = systemClock) {
    this.#session = session;
    this.#clock = clock;
  }

  /**
   * Wait until the task that an answer names is done; at once when it names none. The pauses grow from one second to thirty.
   * @throws EngineError VOST_VMS_TASK (`internal`) when it failed, (`retryable`) when it takes too long
   */
  async settle(answer: unknown, options: WaitOptions = {}): Promise<void> {
    const id = taskOf(answer);
    if (id !== undefined) await this.#wait(id, options);
  }

  async #wait(id: number, { signal, deadlineMs = DEADLINE_MS }: WaitOptions): Promise<void> {
    const deadline = this.#clock.now() + deadlineMs;
    let pause = FIRST_MS;
    let failures = 0;
    for (;;) {
      try {
        const call = { method: 'GET', resource: `vtasks/${id}/`, signal } as const;
        const { name, state, messages } = await this.#session.send(call, TaskRow);
        failures = 0;
        const now = (state ?? '').toUpperCase();
        if (now === 'COMPLETED') return;
        if (['FAILED', 'TIMEOUT', 'PARTIALLY_COMPLETED'].includes(now)) {
          const said = errorText(JSON.stringify(messages?.at(-1) ?? ''));
          throw failed(`${name ?? 'task'} ${id} ended as ${now}${said === '' ? '' : `: ${said}`}`, 'internal');
        }
      } catch (error) {
        failures += 1;
        if (!['retryable', 'integrity'].includes(failureOf(error)) || failures > FAILURES) throw error;
      }
      if (this.#clock.now() + pause > deadline) throw failed(`task ${id} runs for too long`, 'retryable');
      await this.#clock.sleep(pause, signal);
      pause = Math.min(pause * GROWTH, LONGEST_MS);
    }
  }
}

function failed(message: string, failure: 'internal' | 'retryable'): EngineError {
  return new EngineError('VOST_VMS_TASK', failure, `VMS: ${message}`, {
    advice: 'the activities page of VMS tells more about the task',
  });
}
