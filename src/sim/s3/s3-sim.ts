import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createS3Handler } from './handler.ts';
import type { ChecksumMode, FaultHook } from './settings.ts';
import { SimState } from './state/sim-state.ts';

export interface S3SimOptions {
  /** Where buckets and objects are kept; made when missing. One simulator at a time may use it. */
  readonly dir: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The only region that signatures may name. Default: any. */
  readonly region?: string;
  readonly checksumMode: ChecksumMode;
  /** PEM. Without it the endpoint speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Milliseconds since the epoch; default Date.now. */
  readonly clock?: () => number;
  /** `If-None-Match` and `If-Match` on PutObject, CopyObject and CompleteMultipartUpload. Default `ignore`. */
  readonly conditionalWrites?: 'ignore' | '412';
  /** Is there a trash folder, which `x-amz-delete-contents` needs? Default true. */
  readonly trash?: boolean;
  /** Smallest part except the last of an upload, bytes. Default 5 MiB. */
  readonly minPartBytes?: number;
  /** Faults to put in, see {@link FaultHook}. */
  readonly onRequest?: FaultHook;
}

export interface S3Sim {
  readonly url: string;
  readonly port: number;
  /** Break all connections, end what runs and write everything down. */
  close(): Promise<void>;
}

/** A silent connection is given up after this time. */
const IDLE_MS = 300_000;
/** Longer than the idle time of client pools, so that the client closes first. */
const KEEP_ALIVE_MS = 75_000;
const MIB = 1024 * 1024;
const SERVER = 'vast 5.3.0.1';

/**
 * Start an S3 endpoint, path style, that behaves like the S3 side of a VAST cluster. Throws what
 * listening throws (EADDRINUSE …) and VOST_SIM_STATE when the directory is damaged.
 */
export async function startS3Sim(options: S3SimOptions): Promise<S3Sim> {
  const { dir, host = '127.0.0.1', port = 0, accessKey, secretKey, tls } = options;
  const state = await SimState.open(dir);
  const handle = createS3Handler(state.blobs, {
    secretOf: (key) => (key === accessKey ? secretKey : undefined),
    spaceOf: () => state,
    server: SERVER,
    trash: options.trash ?? true,
    region: options.region,
    checksumMode: options.checksumMode,
    conditionalWrites: options.conditionalWrites ?? 'ignore',
    minPartBytes: options.minPartBytes ?? 5 * MIB,
    clock: options.clock ?? Date.now,
    onRequest: options.onRequest,
  });
  const server = tls === undefined ? createHttpServer() : createHttpsServer(tls);
  const running = serveWith(server, handle);
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    await state.close();
    throw error;
  }
  const address = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.all(running);
      await state.close();
    },
  };
}

/** Attach a handler; gives the set of requests in work. */
function serveWith(
  server: Server,
  handle: (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => Promise<void>,
): Set<Promise<void>> {
  const running = new Set<Promise<void>>();
  const track = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => {
    const work = handle(request, response, expectsContinue).finally(() => running.delete(work));
    running.add(work);
  };
  server.on('request', (request, response) => track(request, response, false));
  server.on('checkContinue', (request, response) => track(request, response, true));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.timeout = IDLE_MS;
  // A large part on a slow line takes as long as it takes; IDLE_MS bounds silence instead.
  server.requestTimeout = 0;
  return running;
}
