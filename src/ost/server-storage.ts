import type { Logger } from 'pino';
import { withChaos } from '../chaos/store-rates.ts';
import { readCredentialsFile, type S3Keys } from '../config/credentials-file.ts';
import { planLanes } from '../config/lanes.ts';
import { directoryCount, mountedLsus } from '../config/lsu-data.ts';
import { keysFileOf } from '../config/managed-files.ts';
import type { ServerSettings, Settings } from '../config/settings.ts';
import { flowOf } from '../config/streams.ts';
import { callShare } from '../vast/nfs/call-share.ts';
import { type OpenStorageOptions, openStorage } from '../vast/open-storage.ts';
import type { RetrierOptions } from '../vast/retry.ts';
import { RoutedStorage } from '../vast/routed-storage.ts';
import type { Storage } from '../vast/store.ts';
import { type VipSettings, vipOptions } from '../vast/vip-pool/configured-vips.ts';
import type { VipSource } from '../vast/vip-pool/vip-source.ts';
import { type RequestObserver, requestHooks } from './request-observer.ts';

/** Rotated keys are read from their file within minutes, long before the old ones go. */
const KEYS_FRESH_MS = 600_000;

/** What of a `[server NAME]` section its storage needs. */
export type StorageSettings = Pick<ServerSettings, 'store'> &
  Partial<Pick<ServerSettings, 's3_ca_file' | 's3_region' | 's3_credentials_file' | 'vms' | 'data' | 'view_path'>> &
  Partial<VipSettings>;

/** What of a section another thread needs to open the same storage. */
export function storageSettingsOf(server: StorageSettings): StorageSettings {
  const { store, s3_ca_file, s3_region, s3_credentials_file, vms, data, view_path } = server;
  const { endpoints, dns_name, dns_servers, connections_per_vip } = server;
  const given = { s3_ca_file, s3_region, s3_credentials_file, vms, data, view_path, connections_per_vip };
  return { store, endpoints, dns_name, dns_servers, ...defined(given) };
}

/** Without what is undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** As in `[server NAME]`. */
export const CONNECTIONS_PER_VIP = 64;

/**
 * The storage of the section `[server ID]`, with those of its LSUs that are mounted by themselves. Nothing is contacted yet.
 * @param vips who knows the data VIPs, where the settings do not name them.
 * @param mountinfo what is mounted; default: /proc/self/mountinfo.
 */
export function openServerStorage(
  id: string,
  server: StorageSettings,
  settings: Settings,
  log: Logger,
  vips?: VipSource,
  observe?: RequestObserver,
  mountinfo?: () => Promise<string>,
): Storage {
  const { general, performance } = settings;
  const caFile = server.s3_ca_file ?? general.s3_ca_file;
  const credentials = keysFileOf(id, settings, server);
  // Every thread that has storages has them all, and the calls of all come to the same pool.
  const sharers = directoryCount(settings) * (1 + planLanes(settings.engine.lanes).count);
  const files = { calls: callShare(sharers), directIo: performance.use_direct_io, mountinfo };
  const open = (url: string, options: OpenStorageOptions): Storage => {
    const retry: RetrierOptions = {
      policy: { budgetMs: performance.retry_seconds * 1000, retries: performance.retry_count },
      ...requestHooks(url.startsWith('file:') ? 'file' : 's3', log, observe),
    };
    const flow = flowOf(performance, {
      onDecision: (decision) => log.debug({ storage: url, ...decision }, 'requests in flight'),
      onSize: (decision) => log.debug({ storage: url, ...decision }, 'size'),
    });
    const storage = openStorage(url, { ...options, ...retry, flow });
    return withChaos(storage, general.chaos, retry, (fault) => log.warn({ fault }, 'a planned fault happened'));
  };
  const main = open(server.store, {
    s3: {
      region: server.s3_region ?? general.s3_region,
      wireIntegrity: performance.wire_integrity,
      ...vipOptions(server.store, { connections_per_vip: CONNECTIONS_PER_VIP, ...server }, `[server ${id}]`),
      ...(vips === undefined ? {} : { vips }),
      ...(caFile === undefined ? {} : { caFile }),
      ...(credentials === undefined ? {} : { credentials: () => freshKeys(credentials) }),
    },
    file: { ...files, exported: server.data === 'nfs' ? server.view_path : undefined },
  });
  const mounted = [...mountedLsus(settings, id)].map(([lsu, { directory, exported }]) => {
    const storage = open(`file:${directory}`, { file: { ...files, only: lsu, exported } });
    return [lsu, storage] as const;
  });
  return mounted.length === 0 ? main : new RoutedStorage(main, new Map(mounted));
}

async function freshKeys(path: string): Promise<S3Keys & { readonly expiration: Date }> {
  return { ...(await readCredentialsFile(path)), expiration: new Date(Date.now() + KEYS_FRESH_MS) };
}
