import type { ServerSettings, Settings } from './settings.ts';

type Sections = Pick<Settings, 'servers' | 'lsus'>;

/** How images reach the LSU of a server. */
export function dataOf({ servers, lsus }: Sections, server: string, lsu: string): 's3' | 'nfs' {
  return lsus.get(`${server}/${lsu}`)?.data ?? serverData(servers.get(server));
}

/** How they reach those of its LSUs whose sections do not say. */
export function serverData(server: Pick<ServerSettings, 'store'> | undefined): 's3' | 'nfs' {
  return server?.store.startsWith('file:') === true ? 'nfs' : 's3';
}

/** The directory of an LSU on its cluster. */
export function clusterPath({ servers, lsus }: Sections, server: string, lsu: string): string {
  return lsus.get(`${server}/${lsu}`)?.path ?? `${servers.get(server)?.view_path}/${lsu}`;
}

/** The LSUs that have sections of their own. */
export function lsusOf({ lsus }: Pick<Settings, 'lsus'>, server: string): string[] {
  return [...lsus.keys()].flatMap((name) => (name.startsWith(`${server}/`) ? [name.slice(server.length + 1)] : []));
}

/** The LSUs of a server that the configuration names, ascending. */
export function namedLsus(settings: Sections, server: string): string[] {
  return [...new Set([...(settings.servers.get(server)?.lsus ?? []), ...lsusOf(settings, server)])].sort();
}

/** An LSU that is mounted by itself. */
export interface MountedLsu {
  /** Where, on this machine. */
  readonly directory: string;
  /** What must be mounted there: its directory on the cluster. */
  readonly exported: string;
}

/** The LSUs of a server that are mounted by themselves. */
export function mountedLsus(settings: Sections, server: string): Map<string, MountedLsu> {
  const mounted = new Map<string, MountedLsu>();
  for (const lsu of lsusOf(settings, server)) {
    const directory = settings.lsus.get(`${server}/${lsu}`)?.mount_point;
    if (directory !== undefined) mounted.set(lsu, { directory, exported: clusterPath(settings, server, lsu) });
  }
  return mounted;
}

/** Directories that the configuration names as storage: stores of servers, and mounts of LSUs. */
export function directoryCount(settings: Sections): number {
  const stores = [...settings.servers.values()].filter((server) => serverData(server) === 'nfs');
  const mounts = [...settings.servers.keys()].map((server) => mountedLsus(settings, server).size);
  return mounts.reduce((sum, count) => sum + count, stores.length);
}

/** What is wrong with the section of an LSU; undefined when nothing is. */
export function dataProblem(settings: Sections, server: string, lsu: string): string | undefined {
  const own = settings.lsus.get(`${server}/${lsu}`);
  if (own === undefined) return undefined;
  const { data, mount_point: mountPoint } = own;
  if (serverData(settings.servers.get(server)) === 'nfs') {
    if (data === undefined && mountPoint === undefined) return undefined;
    return 'data and mount_point are for servers with store = s3:URL; this one has all its LSUs in a directory';
  }
  if (data !== 'nfs') return mountPoint === undefined ? undefined : 'mount_point needs data = nfs';
  if (mountPoint === undefined) return 'data = nfs needs mount_point, where its directory is mounted';
  const s3Only = S3_ONLY.find((key) => own[key] !== undefined);
  if (s3Only !== undefined) return `${s3Only} needs data = s3: a directory has no locks that we could set`;
  if (own.versioning || own.object_lock !== 'none') return 'versioning and object_lock need data = s3';
  const other = [...mountedLsus(settings, server)].find(
    ([name, { directory }]) => name !== lsu && `${mountPoint}/`.startsWith(`${directory}/`),
  );
  if (other !== undefined) return `mount_point lies in that of ${other[0]}`;
  const same = namedLsus(settings, server).find(
    (name) => name !== lsu && clusterPath(settings, server, name) === clusterPath(settings, server, lsu),
  );
  return same === undefined ? undefined : `its path is that of ${same}, and an LSU has one data path`;
}

const S3_ONLY = [
  'default_retention',
  'min_retention',
  'max_retention',
  'worm_retention',
  'worm_minimum',
  'worm_maximum',
  'worm_mode',
] as const;
