import type { S3Client } from '@aws-sdk/client-s3';
import { trace } from '@opentelemetry/api';
import { abortError, EngineError } from '../../errors.ts';
import type { FlowControl } from '../flow/flow-control.ts';
import type { Retrier } from '../retry.ts';
import { storageClosed } from '../store-errors.ts';
import type { Outcome } from '../vip-pool/vip.ts';
import { s3Error } from './classify.ts';
import type { HttpOptions, S3Connection } from './client.ts';
import type { S3Settings } from './options.ts';
import { outcomeOf } from './outcome.ts';
import { requestTurn } from './turns.ts';
import type { VipConnection } from './vip-connection.ts';
import { StaleError } from './watchdog.ts';

/** Silence that a request may bear, in idle times, while the server works without a byte to say. */
const PATIENCE = 10;

export interface SendTask {
  readonly operation: string;
  readonly lsu?: string;
  readonly key?: string;
  /** Payload of the request or the answer, bytes. */
  readonly bytes?: number;
  readonly signal?: AbortSignal | undefined;
  /** The server may think long (complete, copy, bulk delete). */
  readonly slow?: boolean;
}

/** Performs one attempt (`number` counts from 1); everything it throws is classified. */
export type Attempt<T> = (client: S3Client, http: HttpOptions, number: number) => Promise<T>;

export interface S3SenderOptions {
  readonly name: string;
  readonly connection: Pick<S3Connection, 'client' | 'vips'>;
  readonly retrier: Retrier;
  readonly settings: S3Settings;
  readonly closed: AbortSignal;
}

/** Sends requests: VIPs, classification, retries, abort and the end of the storage in one place. */
export class S3Sender {
  readonly settings: S3Settings;
  /** What bounds its requests with payload. */
  readonly flow: FlowControl | undefined;
  readonly #name: string;
  readonly #connection: S3SenderOptions['connection'];
  readonly #retrier: Retrier;
  readonly #closed: AbortSignal;

  constructor(options: S3SenderOptions) {
    this.settings = options.settings;
    this.#name = options.name;
    this.#connection = options.connection;
    this.#retrier = options.retrier;
    this.flow = options.retrier.flow;
    this.#closed = options.closed;
  }

  /** Throws when the storage was closed. */
  check(): void {
    if (this.#closed.aborted) throw storageClosed(this.#name);
  }

  async send<T>(task: SendTask, attempt: Attempt<T>): Promise<T> {
    const { operation, lsu, key, bytes = 0, signal } = task;
    const what = [operation, [lsu, key].filter((part) => part !== undefined).join('/')].join(' ').trim();
    const { client, vips } = this.#connection;
    const avoid = new Set<string>();
    let number = 0;
    const once = (vip: VipConnection): Promise<T> => {
      number += 1;
      const http: HttpOptions = {
        vip,
        ...(signal === undefined ? {} : { abortSignal: signal }),
        ...(task.slow ? { requestTimeout: this.settings.idleTimeoutMs * PATIENCE } : {}),
      };
      return attempt(client, http, number);
    };
    return this.#retrier.run({ operation, bytes, lsu, key, signal }, async () => {
      await requestTurn();
      this.check();
      const lease = await vips.acquire({ avoid, bytes, signal });
      trace.getActiveSpan()?.setAttribute('server.address', lease.vip);
      let outcome: Outcome = { kind: 'unknown' };
      try {
        const result = await onLiveConnection(lease.connection, once);
        outcome = { kind: 'ok' };
        return result;
      } catch (error) {
        if (signal?.aborted) throw abortError(signal);
        this.check();
        const failure = s3Error(error, what, { lsu, key, vip: lease.vip });
        outcome = outcomeOf(failure);
        if (outcome.kind !== 'ok') avoid.add(lease.vip);
        throw outcome.kind === 'trust' && vips.hasOther(avoid) ? elsewhere(failure) : failure;
      } finally {
        lease.release(outcome);
      }
    });
  }
}

/** A connection that was idle may have been dead for long: then once more at once, on a new one. */
async function onLiveConnection<T>(vip: VipConnection, once: (vip: VipConnection) => Promise<T>): Promise<T> {
  const { generation } = vip;
  try {
    return await once(vip);
  } catch (error) {
    if (!(error instanceof StaleError)) throw error;
    vip.renew(generation);
    return await once(vip);
  }
}

/** A wrong certificate is final, unless another VIP can be asked. */
function elsewhere({ code, message, cause, details }: EngineError): EngineError {
  return new EngineError(code, 'retryable', message, { cause, details });
}

type Headers = Readonly<Record<string, string>>;

interface Exchange {
  readonly request: { headers: Record<string, string> };
}

interface Answered {
  readonly response?: { readonly headers?: Headers };
}

/** Any SDK command; its own types would need every command's input and output here. */
interface Decorable {
  readonly middlewareStack: { add(middleware: never, options: { step: 'build'; name: string }): void };
}

/**
 * Let a command send further headers (they are signed) and show the headers of its answer. Runs
 * in the build step, before the signer and around the parser.
 */
export function decorate<C extends Decorable>(command: C, headers: Headers, seen?: (headers: Headers) => void): C {
  const middleware =
    (next: (exchange: Exchange) => Promise<Answered>) =>
    async (exchange: Exchange): Promise<Answered> => {
      Object.assign(exchange.request.headers, headers);
      const outcome = await next(exchange);
      seen?.(outcome.response?.headers ?? {});
      return outcome;
    };
  command.middlewareStack.add(middleware as never, { step: 'build', name: 'vostHeaders' });
  return command;
}

/** The time of an answer by the server's clock, milliseconds; ours when it names none. */
export function dateOf(headers: Headers): number {
  const time = Date.parse(headers['date'] ?? '');
  return Number.isNaN(time) ? Date.now() : time;
}
