import type { ReleaseName } from './release.ts';

/** Keys to sign S3 requests with. */
export interface S3Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Who may use VMS. */
export interface ManagerOptions {
  readonly username: string;
  readonly password: string;
  /** An administrator of this tenant alone, which is made when there is none. */
  readonly tenant?: string;
}

export interface ClusterOptions {
  /** Where everything is kept; made when missing. One simulator at a time may use it. */
  readonly dir: string;
  /** Which VAST to imitate. Default 5.3. */
  readonly release?: ReleaseName;
  /** Address of VMS, the admin port, DNS, and the one data address when there are no VIPs. Default 127.0.0.1. */
  readonly host?: string;
  /** Data addresses 127.0.1.1 and so on, instead of `host`. At most 200. */
  readonly vips?: number;
  /** Ports; 0, the default, takes any free one. All VIPs have the same. */
  readonly port?: number;
  readonly tlsPort?: number;
  readonly vmsPort?: number;
  readonly adminPort?: number;
  readonly dnsPort?: number;
  /** No TLS anywhere, and so no authority. */
  readonly plain?: boolean;
  /** Keys of the first user, `sim`. Made up when absent. */
  readonly keys?: S3Keys;
  /** Administrators. Default: `admin` with a password made up. Those of an earlier run stay. */
  readonly managers?: readonly ManagerOptions[];
  /** Rows of remote clusters in `/clusters/`. Default 1. */
  readonly peers?: number;
  /** Seed of all that is random. Default 1. */
  readonly seed?: number;
  /** Logical capacity, bytes. Default 1 PB. */
  readonly capacityBytes?: number;
  /** Smallest part except the last of an upload, bytes. Default 5 MiB. */
  readonly minPartBytes?: number;
  /** Milliseconds since the epoch; default Date.now. */
  readonly clock?: () => number;
}

/** What a fresh cluster is called. */
export const CLUSTER_NAME = 'vast-sim';
/** The pool of the data addresses, and the name that the simulator's DNS answers for it. */
export const VIP_POOL = 'main';
export const VIP_DOMAIN = 'data.vast-sim.test';
/** The user whose keys are the simulator's own. */
export const FIRST_USER = 'sim';
export const FIRST_MANAGER = 'admin';
/** The policy that buckets made through S3 get; VAST comes with it. */
export const S3_DEFAULT_POLICY = 's3_default_policy';
