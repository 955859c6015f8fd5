import type { S3Client } from '@aws-sdk/client-s3';
import { abortError } from '../../errors.ts';
import type { Retrier } from '../retry.ts';
import { storageClosed } from '../store-errors.ts';
import { s3Error } from './classify.ts';
import type { S3Settings } from './options.ts';

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

/** Second argument of the SDK's `send`. */
export interface HttpOptions {
  readonly abortSignal?: AbortSignal;
  readonly requestTimeout?: number;
}

/** Performs one attempt; everything it throws is classified. */
export type Attempt<T> = (client: S3Client, http: HttpOptions, number: number) => Promise<T>;

export interface S3SenderOptions {
  readonly name: string;
  readonly client: S3Client;
  readonly retrier: Retrier;
  readonly settings: S3Settings;
  readonly closed: AbortSignal;
}

/** Sends requests: classification, retries, abort and the end of the storage in one place. */
export class S3Sender {
  readonly settings: S3Settings;
  readonly #name: string;
  readonly #client: S3Client;
  readonly #retrier: Retrier;
  readonly #closed: AbortSignal;

  constructor(options: S3SenderOptions) {
    this.settings = options.settings;
    this.#name = options.name;
    this.#client = options.client;
    this.#retrier = options.retrier;
    this.#closed = options.closed;
  }

  /** Throws when the storage was closed. */
  check(): void {
    if (this.#closed.aborted) throw storageClosed(this.#name);
  }

  async send<T>(task: SendTask, attempt: Attempt<T>): Promise<T> {
    const { operation, lsu, key, bytes = 0, signal } = task;
    const what = [operation, [lsu, key].filter((part) => part !== undefined).join('/')].join(' ').trim();
    const http: HttpOptions = {
      ...(signal === undefined ? {} : { abortSignal: signal }),
      ...(task.slow ? { requestTimeout: this.settings.idleTimeoutMs * PATIENCE } : {}),
    };
    return this.#retrier.run({ operation, bytes, signal }, async (number) => {
      this.check();
      try {
        return await attempt(this.#client, http, number);
      } catch (error) {
        if (signal?.aborted) throw abortError(signal);
        this.check();
        throw s3Error(error, what, { lsu, key });
      }
    });
  }
}

type Headers = Readonly<Record<string, string>>;

interface Exchange {
  readonly request: { headers: Record<string, string> };
}

interface Outcome {
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
    (next: (exchange: Exchange) => Promise<Outcome>) =>
    async (exchange: Exchange): Promise<Outcome> => {
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
