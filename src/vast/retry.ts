/**
 * The one retry layer. What is worth another try is decided by the failure class alone:
 * `retryable` until the time budget is used up, `integrity` a few times (a bit flipped on the way;
 * clean memory is sent again), `credentials` once after they were refreshed, nothing else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Attributes, type Span, SpanKind } from '@opentelemetry/api';
import { abortError, EngineError, failureOf } from '../errors.ts';
import { inSpan } from '../tracing/spans.ts';
import { checkSignal } from './body.ts';
import type { FlowControl } from './flow/flow-control.ts';

/** What requests go to: an S3 service, a directory, the management of a cluster. */
export type RequestService = 's3' | 'file' | 'vms';

/** One failed attempt that will be repeated. */
export interface RetryEvent {
  /** `put`, `read`, `part`, … */
  readonly operation: string;
  /** 1-based number of the attempt that failed. */
  readonly attempt: number;
  /** Payload that has to be moved again, bytes; 0 for requests without payload. */
  readonly bytes: number;
  /** Pause before the next attempt, milliseconds. */
  readonly delayMs: number;
  /** What was asked about. */
  readonly lsu: string | undefined;
  readonly key: string | undefined;
  readonly error: EngineError;
}

/** One attempt that has ended, whatever came of it. */
export interface AttemptEvent {
  readonly operation: string;
  /** From its beginning to its end, the wait for a VIP included; milliseconds. */
  readonly ms: number;
  /** Undefined for one that succeeded. */
  readonly error?: unknown;
}

/** Told of what requests come to. */
export interface RequestHooks {
  /** Called before each pause; for log lines and metrics. */
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
  /** Called after each attempt; for metrics. */
  readonly onAttempt?: ((event: AttemptEvent) => void) | undefined;
}

export interface RetryPolicy {
  /** No new attempt begins later than this after the first one began, milliseconds. */
  readonly budgetMs: number;
  /** How often a request is tried again at most, whatever the time. */
  readonly retries: number;
  /** Upper bound of the first pause, milliseconds; doubles with every attempt. */
  readonly baseMs: number;
  /** Upper bound of every pause, milliseconds. */
  readonly capMs: number;
  /** How often a failure of class `integrity` is tried again. */
  readonly integrityRetries: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  budgetMs: 120_000,
  retries: 100,
  baseMs: 200,
  capMs: 20_000,
  integrityRetries: 2,
};

/** Time and chance, replaceable in tests. */
export interface RetryClock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Rejects when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

export const systemClock: RetryClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
  random: Math.random,
};

export interface RetrierOptions extends RequestHooks {
  /** What is asked. Without it requests have no spans. */
  readonly service?: RequestService | undefined;
  readonly policy?: Partial<RetryPolicy> | undefined;
  readonly clock?: RetryClock | undefined;
  /** Fetch credentials anew; without it a `credentials` failure is final. */
  readonly refresh?: (() => Promise<void>) | undefined;
  /** How many requests with payload may run at the same time; without it as many as callers like. */
  readonly flow?: FlowControl | undefined;
}

export interface RetryTask {
  readonly operation: string;
  /** Payload that an attempt moves, bytes. */
  readonly bytes?: number;
  /** What is asked about. */
  readonly lsu?: string | undefined;
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Attributes of a failed attempt, and where its error has them. */
const SAID = {
  'http.response.status_code': 'httpStatus',
  'aws.request_id': 'requestId',
  'server.address': 'vip',
} as const;

export class Retrier {
  readonly #policy: RetryPolicy;
  readonly #service: RequestService | undefined;
  readonly #clock: RetryClock;
  readonly #hooks: RequestHooks;
  readonly #refresh: (() => Promise<void>) | undefined;
  readonly #flow: FlowControl | undefined;

  constructor(options: RetrierOptions = {}) {
    this.#policy = { ...DEFAULT_RETRY, ...options.policy };
    this.#service = options.service;
    this.#clock = options.clock ?? systemClock;
    this.#hooks = options;
    this.#refresh = options.refresh;
    this.#flow = options.flow;
  }

  /**
   * Run `attempt` (its argument counts from 1) until it succeeds or its failure is final. The last
   * error is thrown; `details.attempts` tells how often it was tried when that was more than once.
   */
  run<T>(task: RetryTask, attempt: (number: number) => Promise<T>): Promise<T> {
    const { operation } = task;
    if (this.#service === undefined) return this.#run(task, attempt);
    // Paths of a cluster's management end in numbers.
    const name = `${this.#service} ${operation.split('/', 1)[0]}`;
    const plan = { kind: SpanKind.CLIENT, attributes: requestOf(this.#service, task) };
    return inSpan(name, plan, (span) => this.#run(task, attempt, span));
  }

  async #run<T>(task: RetryTask, attempt: (number: number) => Promise<T>, span?: Span): Promise<T> {
    const { operation, bytes = 0, lsu, key, signal } = task;
    const started = this.#clock.now();
    const spent = { integrity: 0, refreshes: 0 };
    for (let number = 1; ; number += 1) {
      checkSignal(signal);
      try {
        const once = (): Promise<T> => this.#timed(operation, number, () => attempt(number), span);
        return this.#flow === undefined ? await once() : await this.#flow.run(operation, bytes, signal, once);
      } catch (error) {
        if (signal?.aborted) throw abortError(signal);
        const bound = Math.min(this.#policy.capMs, this.#policy.baseMs * 2 ** (number - 1));
        const delayMs = Math.round(this.#clock.random() * bound);
        const late = number > this.#policy.retries || this.#clock.now() - started + delayMs > this.#policy.budgetMs;
        if (!(error instanceof EngineError) || late || !(await this.#again(error, spent))) {
          throw afterAttempts(error, number);
        }
        this.#hooks.onRetry?.({ operation, attempt: number, bytes, delayMs, lsu, key, error });
        await this.#pause(delayMs, signal);
      }
    }
  }

  async #timed<T>(operation: string, number: number, attempt: () => Promise<T>, span: Span | undefined): Promise<T> {
    const { onAttempt } = this.#hooks;
    if (onAttempt === undefined && span?.isRecording() !== true) return attempt();
    const began = this.#clock.now();
    const tell = (failed: { readonly error?: unknown }): void => {
      const ms = this.#clock.now() - began;
      onAttempt?.({ operation, ms, ...failed });
      span?.addEvent('attempt', attemptOf(number, ms, failed.error));
    };
    try {
      const result = await attempt();
      tell({});
      return result;
    } catch (error) {
      tell({ error });
      throw error;
    }
  }

  async #again(error: EngineError, spent: { integrity: number; refreshes: number }): Promise<boolean> {
    switch (failureOf(error)) {
      case 'retryable':
        return true;
      case 'integrity':
        spent.integrity += 1;
        return spent.integrity <= this.#policy.integrityRetries;
      case 'credentials':
        spent.refreshes += 1;
        if (this.#refresh === undefined || spent.refreshes > 1) return false;
        return this.#refresh().then(
          () => true,
          () => false,
        );
      default:
        return false;
    }
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#clock.sleep(ms, signal);
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      throw error;
    }
  }
}

/** What a span says about a request. */
function requestOf(service: RequestService, { operation, bytes = 0, lsu, key }: RetryTask): Attributes {
  const [lsuName, keyName] = service === 's3' ? ['aws.s3.bucket', 'aws.s3.key'] : ['vast_ost.lsu', 'vast_ost.key'];
  return {
    'vast_ost.operation': operation,
    ...(bytes === 0 ? {} : { 'vast_ost.bytes': bytes }),
    ...(lsu === undefined ? {} : { [lsuName]: lsu }),
    ...(key === undefined ? {} : { [keyName]: key }),
  };
}

/** What a span says about an attempt: how long it took, and what the storage said. */
function attemptOf(number: number, ms: number, error: unknown): Attributes {
  const attributes: Attributes = { number, seconds: ms / 1000 };
  if (error === undefined) return attributes;
  if (!(error instanceof EngineError)) return { ...attributes, 'error.type': 'VOST_INTERNAL' };
  for (const [name, key] of Object.entries(SAID)) {
    const value = error.details[key];
    if (typeof value === 'string' || typeof value === 'number') attributes[name] = value;
  }
  return { ...attributes, 'error.type': error.code };
}

function afterAttempts(error: unknown, attempts: number): unknown {
  if (attempts === 1 || !(error instanceof EngineError)) return error;
  return new EngineError(error.code, error.failure, `${error.message} (tried ${attempts} times)`, {
    cause: error.cause ?? error,
    ...(error.advice === undefined ? {} : { advice: error.advice }),
    details: { ...error.details, attempts },
  });
}
