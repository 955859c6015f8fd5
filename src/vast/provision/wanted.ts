import { createHash } from 'node:crypto';

/** Object lock of an LSU. Periods as VAST writes them: `12h`, `30d`, `7y`. */
export interface WantedLock {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  /** Of objects that ask for none; never set unless asked for. */
  readonly defaultRetention?: string | undefined;
  readonly minRetention?: string | undefined;
  readonly maxRetention?: string | undefined;
}

export interface WantedLsu {
  /** Name of the LSU: the bucket, or the directory. */
  readonly name: string;
  /** Absolute, on the cluster. */
  readonly path: string;
  /** How images reach it: another way than the server's other LSUs when it is mounted by itself. */
  readonly data: 's3' | 'nfs';
  /** Bytes. */
  readonly quota?: number | undefined;
  readonly softQuota?: number | undefined;
  readonly versioning: boolean;
  readonly lock?: WantedLock | undefined;
}

/** What a storage server needs on its cluster. */
export interface Wanted {
  /** The storage server's name in the configuration. */
  readonly server: string;
  /** How images reach its LSUs, where they do not say. */
  readonly data: 's3' | 'nfs';
  readonly tenant?: string | undefined;
  /** A policy for LSUs of the server's own data path that is there already; without it one is made. */
  readonly policy?: string | undefined;
  /** Owner of the buckets, and of the S3 keys. */
  readonly user: string;
  /** Directory above the LSUs; with `nfs` it is what is mounted. */
  readonly viewPath: string;
  /** Who may mount. */
  readonly nfsClients: readonly string[];
  readonly abortUploadsDays: number;
  readonly lsus: readonly WantedLsu[];
}

/** What our things are called on the cluster: teardown touches nothing of another name. */
export function ownName(server: string, lsu?: string): string {
  return lsu === undefined ? `vast-ost-${server}` : `vast-ost-${server}-${lsu}`;
}

/** The view policy of LSUs of a data path: a policy is either for buckets or for exports. */
export function policyName({ server, data, policy }: Wanted, of: Wanted['data']): string {
  // Not `vast-ost-…`, which could be that of another server.
  return of === data ? (policy ?? ownName(server)) : `vast-ost.${of}-${server}`;
}

/** The data paths of a server: its own, and others of its LSUs. */
export function dataPaths({ data, lsus }: Wanted): readonly Wanted['data'][] {
  return [...new Set([data, ...lsus.map((lsu) => lsu.data)])];
}

/** The number of a user that we make: the same for the same name, far from what people and packages use. */
export function uidOf(name: string): number {
  return 1_500_000_000 + (createHash('sha256').update(name).digest().readUInt32BE(0) % 100_000_000);
}
