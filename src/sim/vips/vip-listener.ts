import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { S3Handler } from '../s3/handler.ts';
import type { KeyPair } from '../tls/authority.ts';

/**
 * How an address answers. `refuse`: nobody listens. `reset`: connections break at once. `hang`: they
 * are taken, and nothing comes back.
 */
export type VipMode = 'up' | 'refuse' | 'reset' | 'hang';

/** A silent connection is given up after this time. */
const IDLE_MS = 300_000;
/** Longer than the idle time of client pools, so that the client closes first. */
const KEEP_ALIVE_MS = 75_000;

/** One port of one address. Going down breaks its connections, as when a node dies. */
export class VipListener {
  readonly #http: HttpServer;
  readonly #running = new Set<Promise<void>>();
  readonly #sockets = new Set<Socket>();
  #front: Server | undefined;
  #mode: VipMode = 'refuse';
  #port: number;
  #connections = 0;
  #requests = 0;

  constructor(port: number, handle: S3Handler, tls: KeyPair | undefined) {
    this.#port = port;
    this.#http = tls === undefined ? createHttpServer() : createHttpsServer({ key: tls.key, cert: tls.cert });
    this.#http.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#http.timeout = IDLE_MS;
    // A large part on a slow line takes as long as it takes; IDLE_MS bounds silence instead.
    this.#http.requestTimeout = 0;
    const track = (...[request, response, expects]: Parameters<S3Handler>) => {
      this.#requests += 1;
      const work = handle(request, response, expects).finally(() => this.#running.delete(work));
      this.#running.add(work);
    };
    this.#http.on('request', (request, response) => track(request, response, false));
    this.#http.on('checkContinue', (request, response) => track(request, response, true));
  }

  get port(): number {
    return this.#port;
  }

  get counters() {
    return { open: this.#sockets.size, connections: this.#connections, requests: this.#requests };
  }

  /** Listen, or stop. Throws what listening throws, EADDRINUSE for one. */
  async set(mode: VipMode, address: string): Promise<void> {
    if (mode !== 'refuse' && this.#front === undefined) await this.#listen(address);
    this.#mode = mode;
    if (mode !== 'up') this.#breakConnections();
    if (mode === 'refuse') await this.#stop();
  }

  async close(): Promise<void> {
    this.#mode = 'refuse';
    this.#breakConnections();
    await this.#stop();
    await Promise.all(this.#running);
  }

  async #listen(address: string): Promise<void> {
    const front = createServer((socket) => this.#accept(socket));
    front.listen(this.#port, address);
    await once(front, 'listening');
    this.#front = front;
    this.#port = (front.address() as AddressInfo).port;
  }

  async #stop(): Promise<void> {
    const front = this.#front;
    if (front === undefined) return;
    this.#front = undefined;
    front.close();
    await once(front, 'close');
  }

  #accept(socket: Socket): void {
    this.#connections += 1;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (this.#mode === 'reset') socket.resetAndDestroy();
    else if (this.#mode === 'up') this.#http.emit('connection', socket);
  }

  #breakConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
