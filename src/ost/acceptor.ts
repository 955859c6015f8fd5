import { setMaxListeners } from 'node:events';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bridge, HostBridge } from '../bridge/bridge.ts';
import { descriptorOf } from '../bridge/socket-descriptor.ts';
import { VERSION } from '../version.ts';
import { Connection } from './connection.ts';
import { checkLayout, checkPeer, HelloRefused, mapHostArena, minorVersion, parseHello } from './hello.ts';
import type { Services } from './services.ts';
import { Session } from './session.ts';
import { HELLO_BYTES, MAJOR } from './wire/constants.ts';
import { within } from './within.ts';

/** Connections that have not said hello yet. */
const MAX_GREETING = 64;
/** How long a hello may take, milliseconds. It is sent together with the connection, so the first look usually finds it. */
const HELLO_MS = 10_000;
const FIRST_PAUSE_MS = 1;
const LAST_PAUSE_MS = 64;

/** How long a new connection waits for what the session's old one did, milliseconds; the plugin tries again. */
const REPLACE_MS = 45_000;

/** Turns connections into sessions. */
export class Acceptor {
  readonly #bridge: Bridge & HostBridge;
  readonly #services: Services;
  readonly #sessions = new Map<string, Session>();
  readonly #greeting = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(bridge: Bridge & HostBridge, services: Services) {
    this.#bridge = bridge;
    this.#services = services;
    setMaxListeners(0, this.#stop.signal);
  }

  get sessions(): ReadonlyMap<string, Session> {
    return this.#sessions;
  }

  /** Take a connection that was accepted and not read from. */
  accept(socket: Socket): void {
    socket.on('error', () => undefined);
    if (this.#stop.signal.aborted || this.#greeting.size >= MAX_GREETING) {
      socket.destroy();
      return;
    }
    const greeting = this.#greet(socket)
      .catch((error: unknown) => {
        this.#services.log.error({ err: error }, 'a connection failed');
        socket.destroy();
      })
      .finally(() => this.#greeting.delete(greeting));
    this.#greeting.add(greeting);
  }

  /** No more sessions; end those that there are. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#greeting);
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }

  async #greet(socket: Socket): Promise<void> {
    const descriptor = descriptorOf(socket);
    if (descriptor === undefined) throw new Error('the socket has no descriptor');
    const received = await this.#receive(descriptor);
    if (received === undefined) {
      socket.destroy();
      return;
    }
    let session: Session | undefined;
    try {
      const parsed = received.data.byteLength === HELLO_BYTES ? parseHello(received.data) : undefined;
      if (parsed === undefined) {
        this.#services.counters.faults += 1;
        socket.destroy();
        return;
      }
      session = await this.#welcome(socket, descriptor, parsed, received.descriptor);
    } finally {
      const close = (): void => closeSync(received.descriptor);
      // Lanes map the memory when they need it.
      if (session === undefined) close();
      else session.arena.atEnd(close);
    }
  }

  /** The first message; undefined when none comes, or none with one descriptor. */
  async #receive(socket: number): Promise<{ readonly data: Buffer; readonly descriptor: number } | undefined> {
    const deadline = performance.now() + HELLO_MS;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LAST_PAUSE_MS)) {
      try {
        const received = this.#bridge.receiveWithDescriptor(socket, HELLO_BYTES);
        if (received !== undefined) return received;
        if (performance.now() >= deadline) return undefined;
        await delay(pause, undefined, { signal: this.#stop.signal });
      } catch {
        return undefined;
      }
    }
  }

  async #welcome(
    socket: Socket,
    socketDescriptor: number,
    { id, hello }: NonNullable<ReturnType<typeof parseHello>>,
    memory: number,
  ): Promise<Session | undefined> {
    const services = this.#services;
    const connection = new Connection(socket);
    const peer = this.#bridge.peerOf(socketDescriptor);
    const log = services.log.child({ session: hello.session.slice(0, 8), host_pid: peer.pid, program: hello.program });
    try {
      const minor = minorVersion(hello);
      checkPeer(peer, services.settings.engine);
      await this.#replace(hello.session, peer.uid);
      const arena = mapHostArena(this.#bridge, memory, checkLayout(hello), hello.session);
      const session = new Session({ key: hello.session, peer, connection, arena, services, log });
      this.#sessions.set(hello.session, session);
      void session.ended.then(() => this.#sessions.delete(hello.session));
      services.counters.sessionsOpened += 1;
      log.info({ uid: peer.uid, connection: hello.connection, plugin: hello.version }, 'session began');
      const answer = { major: MAJOR, minor, features: 0n, instance: services.instance, version: VERSION };
      connection.send({ kind: 'answer', name: 'HELLO', id, value: answer });
      session.start();
      return session;
    } catch (error) {
      if (!(error instanceof HelloRefused)) throw error;
      services.counters.sessionsRefused += 1;
      log.warn({ uid: peer.uid }, `session refused: ${error.message}`);
      connection.end({ kind: 'error', name: 'HELLO', id, value: error.answer });
      return undefined;
    }
  }

  /** End the session's old connection, if there is one, and make sure that there is room. */
  async #replace(key: string, uid: number): Promise<void> {
    for (let old = this.#sessions.get(key); old !== undefined; old = this.#sessions.get(key)) {
      if (old.peer.uid !== uid) throw new HelloRefused('ACCESS', 'the session belongs to another user');
      if (!(await within(old.close(), REPLACE_MS, this.#stop.signal))) {
        throw new HelloRefused('AGAIN', 'what the session did before has not ended yet');
      }
    }
    const { max_sessions: most } = this.#services.settings.engine;
    if (this.#stop.signal.aborted || this.#services.drain.draining) {
      throw new HelloRefused('AGAIN', 'the engine is stopping');
    }
    if (this.#sessions.size >= most) {
      throw new HelloRefused('LIMIT', `${most} host processes are connected; see max_sessions in vast-ost.conf`);
    }
  }
}
