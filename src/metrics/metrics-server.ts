import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { ListenAddress } from '../config/metrics-schema.ts';
import { MIN_TLS } from '../vast/tls.ts';
import type { AccessFiles } from './access.ts';

/** A few Prometheus servers scrape, and a few people look; whoever opens more connections is neither. */
const MAX_CONNECTIONS = 64;
/** How long a request may take to arrive, milliseconds. */
const REQUEST_MS = 10_000;
/** Longer than the usual interval of scrapes, so that connections are kept. */
const KEEP_ALIVE_MS = 75_000;

export interface MetricsServerOptions {
  readonly listen: ListenAddress;
  readonly access: AccessFiles;
  /** What is told. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
  /** Answers everything beside `/metrics`, and lets in whom it likes. Default: there is nothing else. */
  readonly others?: RequestListener | undefined;
  readonly log: Logger;
}

/** Serves `/metrics`, and what else there is, over HTTP or HTTPS. */
export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Rejects with errno codes when the address cannot be listened on. */
  static async open(options: MetricsServerOptions): Promise<MetricsServer> {
    const { listen, access } = options;
    const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS };
    const listener: RequestListener = (request, response) => {
      if (options.others === undefined || pathOf(request) === '/metrics') void answer(request, response, options);
      else options.others(request, response);
    };
    const { tls } = access.now;
    const server =
      tls === undefined
        ? createServer(limits, listener)
        : openTls(createTlsServer({ ...limits, ...tls, minVersion: MIN_TLS }, listener), access);
    server.maxConnections = MAX_CONNECTIONS;
    server.listen(listen.port, listen.host);
    await once(server, 'listening');
    // An error from here on is that of one connection.
    server.on('error', (error) => options.log.warn({ err: error }, 'metrics server'));
    return new MetricsServer(server);
  }

  /** Where it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections. A second call does nothing. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** New connections get the certificate that was read last. */
function openTls(server: TlsServer, access: AccessFiles): TlsServer {
  access.onReload(({ tls }) => {
    if (tls !== undefined) server.setSecureContext({ ...tls, minVersion: MIN_TLS });
  });
  return server;
}

function pathOf(request: IncomingMessage): string | undefined {
  return request.url?.split('?', 1)[0];
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: MetricsServerOptions,
): Promise<void> {
  const { access, text, contentType, log } = options;
  const refuse = (status: number, why: string, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${why}\n`);
  };
  // Nobody sends a body here; one that comes is not waited for.
  if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined)
    response.shouldKeepAlive = false;
  if (access.now.allows?.(request.headers.authorization) === false)
    return refuse(401, 'user and password, please', { 'www-authenticate': 'Basic realm="vast-ost"' });
  if (pathOf(request) !== '/metrics') return refuse(404, 'metrics are at /metrics');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refuse(405, 'only GET and HEAD', { allow: 'GET, HEAD' });
  try {
    const body = await text();
    response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body);
  } catch (error) {
    log.error({ err: error }, 'metrics could not be read');
    refuse(500, 'metrics could not be read; the log says why');
  }
}
