import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ServerSettings, Settings } from '../config/settings.ts';
import { notFound } from './errors.ts';
import { EventLog } from './events/event-log.ts';
import { openServerStorage } from './server-storage.ts';
import { SERVER_PREFIX, StorageServer } from './storage-server.ts';

/** The configured storage servers. Nothing is contacted until somebody asks for something. */
export class ServerRegistry {
  readonly #servers: ReadonlyMap<string, StorageServer>;

  constructor(servers: readonly StorageServer[]) {
    this.#servers = new Map(servers.map((server) => [server.id, server]));
  }

  /** Make the servers of the `[server NAME]` sections. */
  static async open(settings: Settings, log: Logger): Promise<ServerRegistry> {
    const servers: StorageServer[] = [];
    try {
      for (const [id, server] of settings.servers) servers.push(await openServer(id, server, settings, log));
    } catch (error) {
      await Promise.allSettled(servers.map((server) => server.close()));
      throw error;
    }
    return new ServerRegistry(servers);
  }

  /** The server that a host names `VastData:ID`. Throws `not-found`. */
  get(name: string): StorageServer {
    const server = name.startsWith(SERVER_PREFIX) ? this.#servers.get(name.slice(SERVER_PREFIX.length)) : undefined;
    if (server !== undefined) return server;
    const shown = JSON.stringify(name.slice(0, 100));
    throw notFound(
      `the engine knows no storage server ${shown}`,
      'add a section [server NAME] to vast-ost.conf and restart the engine; NetBackup names it VastData:NAME',
    );
  }

  all(): readonly StorageServer[] {
    return [...this.#servers.values()];
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.all().map((server) => server.close()));
  }
}

async function openServer(id: string, server: ServerSettings, settings: Settings, log: Logger): Promise<StorageServer> {
  const child = log.child({ server: id });
  const storage = openServerStorage(server, settings, child);
  const { compression, parallel_streams: parallelStreams } = settings.performance;
  try {
    const events = await EventLog.open(join(settings.engine.state_dir, `events-${id}.jsonl`), child);
    return new StorageServer({
      id,
      settings: server,
      storage,
      events,
      tuning: { compression, parallelStreams },
    });
  } catch (error) {
    await storage.close();
    throw error;
  }
}
