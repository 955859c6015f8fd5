import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, constants, lstatSync, openSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Bridge } from '../bridge/bridge.ts';
import type { EngineSettings } from '../config/settings.ts';
import { EngineError } from '../errors.ts';

const LOCK_MODE = 0o600;
/** While the socket is being made nobody else may connect. */
const NOBODY_ELSE = 0o177;
/** Connections that the kernel keeps for us. */
const BACKLOG = 256;

/**
 * The engine's socket. One engine at a time owns the path: it holds a lock beside it until its process is gone, so a
 * wedged old engine can never write into a host's memory beside a new one.
 */
export class Listener {
  readonly #server: Server;
  readonly #lock: number;

  private constructor(server: Server, lock: number) {
    this.#server = server;
    this.#lock = lock;
  }

  /**
   * Take the lock and listen. Connections arrive unread.
   * @throws EngineError VOST_ENGINE_RUNNING (`busy`), VOST_SOCKET (`usage`)
   */
  static async open(
    bridge: Bridge,
    settings: EngineSettings,
    onConnection: (socket: Socket) => void,
  ): Promise<Listener> {
    const { socket: path } = settings;
    const lock = takeLock(bridge, `${path}.lock`);
    try {
      removeStale(path);
      const server = createServer({ pauseOnConnect: true }, onConnection);
      const before = process.umask(NOBODY_ELSE);
      try {
        server.listen({ path, backlog: BACKLOG });
      } finally {
        process.umask(before);
      }
      await once(server, 'listening');
      const { socket_uid: uid, socket_gid: gid, socket_mode: mode } = settings;
      if (uid !== undefined || gid !== undefined) chownSync(path, uid ?? -1, gid ?? -1);
      chmodSync(path, mode);
      return new Listener(server, lock);
    } catch (error) {
      closeSync(lock);
      throw error instanceof EngineError ? error : socketError(path, error);
    }
  }

  /** Accept no more connections. The lock stays. */
  stopListening(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Let go of the lock; nothing of a session may be left. */
  close(): void {
    this.stopListening();
    closeSync(this.#lock);
  }
}

function takeLock(bridge: Bridge, path: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, LOCK_MODE);
  } catch (error) {
    throw socketError(path, error);
  }
  if (bridge.tryLock(descriptor)) return descriptor;
  closeSync(descriptor);
  throw new EngineError('VOST_ENGINE_RUNNING', 'busy', `another engine holds ${path}`, {
    advice: 'stop it first, or give this one a socket of its own',
  });
}

/** What an engine that was killed left behind. */
function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new EngineError('VOST_SOCKET', 'usage', `${path} exists and is no socket`);
  unlinkSync(path);
}

function socketError(path: string, cause: unknown): EngineError {
  return new EngineError('VOST_SOCKET', 'usage', `cannot listen on ${path}: ${(cause as Error).message}`, {
    cause,
    advice: 'make its folder, writable for the engine; the systemd unit does so',
  });
}
