import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ProxyPlan } from './proxy-faults.ts';
import { type Break, ProxyLane } from './proxy-lane.ts';

/** Connections at the same time; more are reset. */
const MAX_CONNECTIONS = 1024;

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** A TCP proxy whose connections meet the faults of a plan. */
export class ChaosProxy {
  readonly #server: Server;
  readonly #target: Place;
  readonly #plan: ProxyPlan;
  readonly #closed = new AbortController();
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  private constructor(server: Server, target: Place, plan: ProxyPlan) {
    this.#server = server;
    this.#target = target;
    this.#plan = plan;
  }

  /** Listen; port 0 takes a free one. */
  static async listen(place: Place, target: Place, plan: ProxyPlan): Promise<ChaosProxy> {
    // A client that has sent all may still wait for the answer.
    const server = createServer({ allowHalfOpen: true });
    const proxy = new ChaosProxy(server, target, plan);
    server.on('connection', (client) => proxy.#serve(client));
    server.listen(place.port, place.host);
    await once(server, 'listening');
    return proxy;
  }

  get address(): Place {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Break all connections and stop listening. */
  async close(): Promise<void> {
    this.#closed.abort();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(client: Socket): void {
    this.#connections += 1;
    const faults = this.#plan.draw(`connection ${this.#connections}`, () => true);
    this.#track(client);
    const refused = faults.find(({ effect }) => effect.kind === 'refuse');
    refused?.hit();
    if (refused || this.#sockets.size > 2 * MAX_CONNECTIONS) {
      client.resetAndDestroy();
      return;
    }
    const target = connect({ ...this.#target, allowHalfOpen: true });
    this.#track(target);
    const onBreak = (how: Break): void => breakOff(client, target, how);
    const up = new ProxyLane('up', faults, this.#closed.signal, onBreak);
    const down = new ProxyLane('down', faults, this.#closed.signal, onBreak);
    client.pipe(up).pipe(target);
    target.pipe(down).pipe(client);
    const sides = [
      { from: client, to: target, lane: up },
      { from: target, to: client, lane: down },
    ];
    // One side that breaks takes the other with it; its orderly end travels with the bytes.
    for (const { from, to, lane } of sides) {
      from.on('error', () => {
        if (!lane.blackHole) to.resetAndDestroy();
      });
      from.on('close', () => {
        if (!lane.blackHole && !from.readableEnded) to.destroySoon();
      });
    }
    for (const lane of [up, down]) lane.on('error', () => client.destroy());
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
  }
}

/** Let out what came before, then break. */
function breakOff(client: Socket, target: Socket, how: Break): void {
  setImmediate(() => {
    for (const socket of [client, target]) {
      if (how === 'truncate') socket.destroySoon();
      else socket.write('', () => socket.resetAndDestroy());
    }
  });
}
