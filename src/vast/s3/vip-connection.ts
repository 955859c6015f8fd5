import type { SecureContext } from 'node:tls';
import { UndiciHttpHandler, type UndiciHttpHandlerOptions } from '@smithy/undici-http-handler';
import { buildConnector, Pool } from 'undici';
import { EngineError } from '../../errors.ts';
import { VERIFIED } from '../tls.ts';
import type { Closable } from '../vip-pool/vip.ts';
import { s3Error } from './classify.ts';
import type { S3Settings } from './options.ts';
import type { Receipt } from './receipt.ts';
import { TURN_BYTES } from './turns.ts';
import { type Connect, WatchedClient } from './watchdog.ts';

/** Servers close idle connections after a minute or so; a closed one costs only a new connection. */
const KEEP_ALIVE_MS = 60_000;
const MAX_KEEP_ALIVE_MS = 600_000;
/** A probe ends when no byte moved for so long. */
const PROBE_IDLE_MS = 5_000;

/** How the SDK's requests come and go. */
export type Handle = UndiciHttpHandler['handle'];
type Dispatching = Pick<Pool, 'request' | 'close' | 'destroy'>;

/**
 * The connections to one VIP: plain HTTP/1.1, one request at a time on each, with no total time limit: see
 * {@link WatchedClient}. HTTP/2 is off because one broken connection would fail every upload.
 *
 * The address is the VIP's own, the Host header (and with it the name that TLS asks for and verifies) that of the
 * storage: one certificate stands for all VIPs. A storage whose URL has an IP address instead of a name is the
 * exception: each VIP's certificate must then hold the VIP's address.
 */
export class VipConnection implements Closable {
  readonly #vip: URL;
  readonly #settings: S3Settings;
  readonly #trust: SecureContext | undefined;
  readonly #left = new Set<Pool>();
  #pool: Pool;
  #generation = 0;

  /** @param trust whom to trust instead of Node's authorities */
  constructor(vip: URL, settings: S3Settings, trust: SecureContext | undefined) {
    this.#vip = vip;
    this.#settings = settings;
    this.#trust = trust;
    this.#pool = this.#makePool();
  }

  /** Changes with every {@link renew}. */
  get generation(): number {
    return this.#generation;
  }

  /** Send a request; the body of an answer that is no error goes to `receipt`, if there is one. */
  handle(request: Parameters<Handle>[0], options: Parameters<Handle>[1], receipt?: Receipt): ReturnType<Handle> {
    const pool = this.#pool;
    const dispatcher: Dispatching = {
      request: (asked) => pool.request({ ...asked, opaque: receipt }),
      close: () => pool.close(),
      destroy: () => pool.destroy(),
    };
    return new UndiciHttpHandler({ dispatcher: asDispatcher(dispatcher) }).handle(request, options);
  }

  /** Leave connections that stem from `generation`: one was dead, so others may be. Requests under way go on. */
  renew(generation: number): void {
    if (generation !== this.#generation) return;
    this.#generation += 1;
    const old = this.#pool;
    this.#left.add(old);
    old.close().then(
      () => this.#left.delete(old),
      () => this.#left.delete(old),
    );
    this.#pool = this.#makePool();
  }

  /**
   * Any answer but a server error will do: who is asked for nothing may refuse.
   * @throws EngineError
   */
  async probe(signal: AbortSignal): Promise<void> {
    const what = `probe ${this.#vip.host}`;
    try {
      const { statusCode, body } = await this.#pool.request({
        path: '/',
        method: 'HEAD',
        headers: { host: this.#settings.endpoint.host },
        headersTimeout: PROBE_IDLE_MS,
        signal,
      });
      await body.dump();
      if (statusCode >= 500) {
        throw new EngineError('VOST_STORE_UNAVAILABLE', 'retryable', `${what}: HTTP ${statusCode}`);
      }
    } catch (error) {
      throw s3Error(error, what);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#pool, ...this.#left].map((pool) => pool.destroy()));
  }

  #makePool(): Pool {
    const { connections, connectTimeoutMs, idleTimeoutMs, transfers } = this.#settings;
    const connect: Connect = (onread) =>
      buildConnector({
        ...VERIFIED,
        allowH2: false,
        timeout: connectTimeoutMs,
        // Pieces are handed to the kernel together: one at a time costs a tenth more.
        ...(this.#vip.protocol === 'https:' ? {} : { highWaterMark: TURN_BYTES }),
        onread,
        ...(this.#trust === undefined ? {} : { secureContext: this.#trust }),
      });
    return new Pool(this.#vip.origin, {
      allowH2: false,
      pipelining: 1,
      connections,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
      factory: (origin, options) => new WatchedClient(origin, options, connect, { idleMs: idleTimeoutMs, transfers }),
    });
  }
}

/** The handler takes a dispatcher of any undici; its types are those of its own older one. */
function asDispatcher(pool: Dispatching): NonNullable<UndiciHttpHandlerOptions['dispatcher']> {
  return pool as unknown as NonNullable<UndiciHttpHandlerOptions['dispatcher']>;
}
