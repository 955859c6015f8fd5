import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createS3Handler, type S3Handler } from '../../src/sim/s3/handler.ts';
import { SimState } from '../../src/sim/s3/state/sim-state.ts';
import type { VipAddress, VipSource } from '../../src/vast/vip-pool/vip-source.ts';
import { tempDir } from './temp-dir.ts';

/**
 * What a VIP does with requests.
 *
 * - `hang`: accepts them and never answers.
 * - `reset`: breaks the connection at their first byte.
 * - `busy`: 503 SlowDown.
 * - `truncate`: carries them out and breaks off in the middle of the answer.
 */
export type VipMode = 'ok' | 'hang' | 'reset' | 'busy' | 'truncate';

/** Bytes of an answer that a truncating VIP lets out: not even the headers are complete, or some of the body. */
const TRUNCATED_BYTES = 260;

const keys = { accessKeyId: 'farm', secretAccessKey: 'farm-secret' };

/** One data VIP: a listener on an address of its own. */
export class FarmVip {
  readonly host: string;
  mode: VipMode = 'ok';
  /** Requests that arrived. */
  requests = 0;
  /** Bytes that they announced. */
  bytes = 0;
  /** Names that clients asked for in TLS, and Host headers. */
  readonly names = new Set<string | undefined>();
  readonly #handle: S3Handler;
  /** What it shows from its next start on. */
  tls: FarmOptions['tls'];
  readonly #onRequest: () => void;
  #server: Server | undefined;
  #port: number;

  constructor(host: string, port: number, handle: S3Handler, onRequest: () => void, tls: FarmOptions['tls']) {
    this.host = host;
    this.#port = port;
    this.#handle = handle;
    this.#onRequest = onRequest;
    this.tls = tls;
  }

  get address(): Required<VipAddress> {
    return { host: this.host, port: this.#port };
  }

  get url(): string {
    return `${this.tls === undefined ? 'http' : 'https'}://${this.host}:${this.#port}`;
  }

  get up(): boolean {
    return this.#server !== undefined;
  }

  async start(): Promise<void> {
    const server = this.tls === undefined ? createHttpServer() : createHttpsServer(this.tls);
    server.on('request', (request, response) => this.#serve(request, response));
    server.on('secureConnection', (socket) => this.names.add(socket.servername));
    this.#server = server;
    server.listen(this.#port, this.host);
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  /** The node dies: all connections break, new ones are refused. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.requests += 1;
    this.bytes += Number(request.headers['content-length'] ?? 0);
    this.names.add(request.headers.host);
    this.#onRequest();
    request.on('error', () => undefined);
    if (this.mode === 'hang') return;
    if (this.mode === 'reset') request.socket.resetAndDestroy();
    else if (this.mode === 'busy') {
      response.writeHead(503, { 'content-type': 'application/xml' });
      response.end('<Error><Code>SlowDown</Code><Message>on purpose</Message></Error>');
      request.resume();
    } else {
      if (this.mode === 'truncate') truncate(request.socket);
      void this.#handle(request, response, false);
    }
  }
}

/** Let some bytes of what is written out, then break the connection. */
function truncate(socket: Socket): void {
  const write = socket.write.bind(socket);
  let room = TRUNCATED_BYTES;
  socket.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : Buffer.from(chunk);
    const done = rest.find((argument) => typeof argument === 'function') as ((error?: Error) => void) | undefined;
    const part = bytes.subarray(0, room);
    room -= part.length;
    return write(part, (error) => {
      done?.(error ?? undefined);
      if (room === 0) socket.destroy();
    });
  };
}

export interface FarmOptions {
  readonly count: number;
  /** Addresses are `127.0.SUBNET.1` and so on; tests that may run at once use different ones. */
  readonly subnet: number;
  /** One port for all; default: any, of each its own. */
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  /** Smallest part, bytes. */
  readonly minPartBytes?: number;
  /** Called with the number of each request, before it is served. */
  readonly onRequest?: (number: number) => void;
}

/** Data VIPs that serve one state, as those of a cluster do. */
export class VipFarm {
  readonly credentials = keys;
  readonly vips: readonly FarmVip[];
  /** What {@link source} answers; default all. */
  members: readonly FarmVip[];
  /** How often the source was asked. */
  asked = 0;
  #requests = 0;

  private constructor(handle: S3Handler, { count, subnet, port = 0, tls, onRequest }: FarmOptions) {
    const counted = (): void => {
      this.#requests += 1;
      onRequest?.(this.#requests);
    };
    this.vips = Array.from({ length: count }, (_, at) => {
      return new FarmVip(`127.0.${subnet}.${at + 1}`, port, handle, counted, tls);
    });
    this.members = this.vips;
  }

  /** Start it; it ends with the test. */
  static async start(t: Test, options: FarmOptions): Promise<VipFarm> {
    const state = await SimState.open(join(tempDir(), 'state'));
    const handle = createS3Handler(state.blobs, {
      spaceOf: () => state,
      server: 'vast 5.3.0.1',
      trash: true,
      secretOf: (key) => (key === keys.accessKeyId ? keys.secretAccessKey : undefined),
      region: undefined,
      checksumMode: 'reject',
      conditionalWrites: 'ignore',
      minPartBytes: options.minPartBytes ?? 1,
      clock: Date.now,
      onRequest: undefined,
    });
    const working = new Set<Promise<void>>();
    const tracked: S3Handler = (...request) => {
      const work = handle(...request).finally(() => working.delete(work));
      working.add(work);
      return work;
    };
    const farm = new VipFarm(tracked, options);
    t.teardown(async () => {
      await Promise.all(farm.vips.map((vip) => vip.stop()));
      await Promise.all(working);
      await state.close();
    });
    for (const vip of farm.vips) await vip.start();
    return farm;
  }

  /** The members of now; `maxAgeMs` is how long each answer holds. */
  source(maxAgeMs: number): VipSource {
    return {
      maxAgeMs,
      resolve: async () => {
        this.asked += 1;
        return this.members.map((vip) => vip.address);
      },
    };
  }

  /** Requests or bytes of the busiest VIP for each one of the idlest. */
  spread(what: 'requests' | 'bytes'): number {
    const counts = this.vips.map((vip) => vip[what]);
    return Math.max(...counts) / Math.min(...counts);
  }

  restartCounts(): void {
    for (const vip of this.vips) {
      vip.requests = 0;
      vip.bytes = 0;
    }
  }
}
