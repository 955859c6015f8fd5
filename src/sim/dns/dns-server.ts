import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { EventLog } from '../faults/event-log.ts';
import { buildAnswer, parseQuery, TYPE_A } from './message.ts';

/** VAST advises a life of 0, so that every lookup spreads clients anew. */
const TTL_SECONDS = 0;

/** The addresses of a name at present; undefined: there is no such name. */
export type Lookup = (name: string) => readonly string[] | undefined;

export interface DnsOptions {
  readonly host: string;
  readonly port: number;
  readonly lookup: Lookup;
  /** Addresses per answer. */
  readonly answers: () => number;
  readonly log: EventLog;
}

/** Answers A queries over UDP; successive answers begin with successive addresses. */
export class DnsServer {
  readonly #socket: Socket;
  readonly #options: DnsOptions;
  #turn = 0;

  private constructor(socket: Socket, options: DnsOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Throws what binding throws. */
  static async start(options: DnsOptions): Promise<DnsServer> {
    const socket = createSocket('udp4');
    const server = new DnsServer(socket, options);
    socket.on('message', (message, { address, port }) => {
      const answer = server.#answer(message);
      // An asker that is gone is no concern of ours.
      if (answer !== undefined) socket.send(answer, port, address, () => undefined);
    });
    socket.bind(options.port, options.host);
    await once(socket, 'listening');
    return server;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #answer(message: Buffer): Buffer | undefined {
    const question = parseQuery(message);
    if (question === undefined) return undefined;
    const { lookup, answers, log } = this.#options;
    const addresses = lookup(question.name);
    if (addresses === undefined || question.type !== TYPE_A) {
      return buildAnswer(question, addresses === undefined ? undefined : [], TTL_SECONDS);
    }
    const start = addresses.length === 0 ? 0 : this.#turn % addresses.length;
    this.#turn += 1;
    const rotated = [...addresses.slice(start), ...addresses.slice(0, start)].slice(0, answers());
    log.add('dns', 'answer', { name: question.name, addresses: rotated });
    return buildAnswer(question, rotated, TTL_SECONDS);
  }
}
