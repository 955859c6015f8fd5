import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ZodError, z } from 'zod';
import type { EventLog } from '../faults/event-log.ts';
import type { FaultBoard } from '../faults/fault-board.ts';
import type { FaultPlan } from '../faults/plan.ts';
import { readJson } from '../vms/body.ts';
import { VmsError } from '../vms/vms-error.ts';
import type { Action } from './actions.ts';

export interface AdminOptions {
  readonly host: string;
  readonly port: number;
  readonly faults: FaultBoard;
  readonly log: EventLog;
  readonly act: (action: Action) => Promise<void>;
  /** What `GET /state` shows. */
  readonly show: () => unknown;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** The port through which tests make things go wrong: plain JSON, nobody asks who is there, loopback only. */
export class AdminServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Throws what listening throws. */
  static async start(options: AdminOptions): Promise<AdminServer> {
    const server = createServer((request, response) => void serve(options, request, response));
    server.listen(options.port, options.host);
    await once(server, 'listening');
    return new AdminServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

async function serve(options: AdminOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, body } = await answer(options, request).catch(errorReply);
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
  if (!request.complete) request.resume();
}

async function answer(options: AdminOptions, request: IncomingMessage): Promise<Reply> {
  const { faults, log } = options;
  const [path = '', query = ''] = (request.url ?? '').split('?');
  switch (`${request.method} ${path}`) {
    case 'GET /state':
      return { status: 200, body: options.show() };
    case 'GET /faults':
      return { status: 200, body: faults.show() };
    case 'PUT /faults':
      return { status: 200, body: faults.apply((await readJson(request)) as FaultPlan) };
    case 'POST /actions':
      await options.act((await readJson(request)) as Action);
      return { status: 200, body: options.show() };
    case 'GET /log':
      return { status: 200, body: log.entries(Number(new URLSearchParams(query).get('after') ?? 0)) };
    default:
      return { status: 404, body: { error: 'GET /state, GET or PUT /faults, POST /actions, GET /log?after=SEQ' } };
  }
}

function errorReply(error: unknown): Reply {
  if (error instanceof ZodError) return { status: 400, body: { error: z.prettifyError(error) } };
  if (error instanceof VmsError) return { status: error.status, body: { error: error.body } };
  if (error instanceof RangeError) return { status: 409, body: { error: error.message } };
  return { status: 500, body: { error: String(error) } };
}
