import { join } from 'node:path';
import type { Logger } from 'pino';
import { DEFAULT_HIGH_WATER } from '../config/engine-schema.ts';
import { lsuPlaces } from '../config/lsu-place.ts';
import { keysFileOf, managedKeysFile } from '../config/managed-files.ts';
import { openVms } from '../config/open-vms.ts';
import type { ServerSettings, Settings } from '../config/settings.ts';
import { locksImages, wormOf } from '../config/worm-settings.ts';
import type { LockPolicy } from '../image/image-lock.ts';
import { VmsVips } from '../vast/vms/vms-vips.ts';
import { Cluster } from './cluster.ts';
import {
  Discovery,
  type FoundServer,
  type HostLogin,
  type LookFor,
  lookForServer,
  type OpenFound,
  SERVER_ID,
} from './discovery.ts';
import { notFound } from './errors.ts';
import { EventLog } from './events/event-log.ts';
import { FoundKeys } from './found-keys.ts';
import { type RequestObserver, requestHooks } from './request-observer.ts';
import { rotationsOf, rotationsOfFound } from './rotations.ts';
import { openServerStorage, type StorageSettings, storageSettingsOf } from './server-storage.ts';
import { SERVER_PREFIX, StorageServer, type StorageServerOptions } from './storage-server.ts';

/** Servers that hosts may name without a section of their own. */
const MAX_DISCOVERED = 64;

export interface RegistryOptions {
  /** Hears of every request. */
  readonly observe?: RequestObserver | undefined;
  /** How servers without a section are found. */
  readonly lookFor?: LookFor;
  /** What is mounted. Default: /proc/self/mountinfo. */
  readonly mountinfo?: (() => Promise<string>) | undefined;
}

/** The storage servers: those of the configuration, and those that were found by name and credentials. */
export class ServerRegistry {
  readonly #servers: Map<string, StorageServer>;
  readonly #discovery: Discovery | undefined;

  constructor(servers: readonly StorageServer[], discovery?: Discovery) {
    this.#servers = new Map(servers.map((server) => [server.id, server]));
    this.#discovery = discovery;
  }

  /** Make the servers of the `[server NAME]` sections. Of these only VMS is asked at once, without waiting for it. */
  static async open(
    settings: Settings,
    log: Logger,
    { observe, lookFor, mountinfo }: RegistryOptions = {},
  ): Promise<ServerRegistry> {
    const servers: StorageServer[] = [];
    try {
      for (const [id, server] of settings.servers)
        servers.push(await openConfigured(id, server, settings, log, { observe, mountinfo }));
    } catch (error) {
      await Promise.allSettled(servers.map((server) => server.close()));
      throw error;
    }
    const open: OpenFound = (id, found, login) => openFound(id, found, login, settings, log, observe);
    const search: LookFor = (id, login, from) => lookForServer(id, login, from, requestHooks('vms', log, observe));
    return new ServerRegistry(servers, new Discovery(settings, lookFor ?? search, open));
  }

  /** The server that a host names `VastData:ID`. Throws `not-found`. */
  get(name: string): StorageServer {
    const server = this.#servers.get(idOf(name));
    if (server !== undefined) return server;
    const shown = JSON.stringify(name.slice(0, 100));
    throw notFound(
      `the engine knows no storage server ${shown}`,
      'add a section [server NAME] to vast-ost.conf and restart the engine; NetBackup names it VastData:NAME',
    );
  }

  /**
   * As {@link get}; a server without a section is looked for by its name, with the user and password that the host has for it, and
   * known from then on to all hosts that have good credentials. A configured one is there at once. Throws, or rejects with, `not-found`.
   */
  find(name: string, login: HostLogin | undefined): StorageServer | Promise<StorageServer> {
    const id = idOf(name);
    const known = this.#servers.get(id);
    const configured = known !== undefined && this.#discovery?.has(id) !== true;
    if (configured || login === undefined || this.#discovery === undefined || !SERVER_ID.test(id))
      return this.get(name);
    if (known === undefined && this.#discovery.size >= MAX_DISCOVERED) return this.get(name);
    return this.#discovery.open(id, login).then((server) => {
      this.#servers.set(id, server);
      return server;
    });
  }

  all(): readonly StorageServer[] {
    return [...this.#servers.values()];
  }

  async close(): Promise<void> {
    await this.#discovery?.close();
    await Promise.allSettled(this.all().map((server) => server.close()));
  }
}

function idOf(name: string): string {
  return name.startsWith(SERVER_PREFIX) ? name.slice(SERVER_PREFIX.length) : '';
}

async function openConfigured(
  id: string,
  server: ServerSettings,
  settings: Settings,
  log: Logger,
  { observe, mountinfo }: RegistryOptions,
): Promise<StorageServer> {
  const child = log.child({ server: id });
  const used = { ...server, s3_credentials_file: keysFileOf(id, settings, server) };
  const common = {
    id,
    settings: used,
    locksImages: locksImages(settings, id),
    lockPolicy: (lsu: string) => lockPolicyOf(id, lsu, settings, child),
  };
  if (server.vms === undefined) {
    const storage = openServerStorage(id, server, settings, child, undefined, observe, mountinfo);
    const origin = { settings: storageSettingsOf(server), vips: undefined };
    return openServer({ ...common, storage, origin }, settings, child);
  }
  const client = openVms(id, server, requestHooks('vms', child, observe));
  const vips = server.vip_pool === undefined ? undefined : new VmsVips(client, server.vip_pool);
  const storage = openServerStorage(id, server, settings, child, vips, observe, mountinfo);
  const cluster = new Cluster({ client, placeOf: lsuPlaces(id, settings), log: child });
  cluster.warm();
  const rotations = rotationsOf(id, settings, server, client, child);
  const origin = { settings: storageSettingsOf(server), vips };
  return openServer({ ...common, storage, origin, cluster, rotations }, settings, child);
}

function lockPolicyOf(id: string, lsu: string, settings: Settings, log: Logger): LockPolicy | undefined {
  const { retentionMs, ...bounds } = wormOf(settings, id, lsu);
  if (retentionMs === undefined) return undefined;
  const onSkew = (skewMs: number): void =>
    log.warn({ lsu, skew_ms: Math.round(skewMs) }, 'the clocks of storage and media server differ: check NTP');
  return { retentionMs, ...bounds, onSkew };
}

async function openFound(
  id: string,
  found: FoundServer,
  login: () => HostLogin,
  settings: Settings,
  log: Logger,
  observe: RequestObserver | undefined,
): Promise<StorageServer> {
  const child = log.child({ server: id });
  const { client, store } = found;
  const server: StorageSettings = { store, s3_credentials_file: managedKeysFile(id, settings) };
  const vips = new VmsVips(client);
  const storage = openServerStorage(id, server, settings, child, vips, observe);
  const origin = { settings: server, vips };
  const cluster = new Cluster({ client, placeOf: (lsu) => ({ bucket: lsu }), log: child });
  const keys = new FoundKeys({
    id,
    settings,
    client,
    views: () => cluster.views(),
    user: () => login().user,
    log: child,
  });
  const rotations = rotationsOfFound(id, settings, client, child);
  child.info({ store, vms: client.origin }, 'storage server found by its name');
  return openServer(
    { id, settings: { ...server, label: '' }, storage, origin, cluster, keys, rotations },
    settings,
    child,
  );
}

type Parts = Pick<StorageServerOptions, 'id' | 'settings' | 'storage' | 'origin' | 'cluster' | 'keys' | 'rotations'>;

async function openServer(parts: Parts, settings: Settings, log: Logger): Promise<StorageServer> {
  const { compression, parallel_streams: parallelStreams } = settings.performance;
  try {
    const events = await EventLog.open(join(settings.engine.state_dir, `events-${parts.id}.jsonl`), log);
    return new StorageServer({
      ...parts,
      events,
      tuning: { compression, parallelStreams },
      highWater: parts.settings.high_water ?? DEFAULT_HIGH_WATER,
      keepSnapshots: (lsu) => settings.lsus.get(`${parts.id}/${lsu}`)?.snapshot_keep,
      log,
    });
  } catch (error) {
    await parts.rotations?.close();
    await parts.cluster?.close();
    await parts.storage.close();
    throw error;
  }
}
