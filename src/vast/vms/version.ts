import { EngineError } from '../../errors.ts';

/** A VAST release: the first three groups of numbers, all that its many spellings have in common. */
export interface VmsVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/**
 * The release in what a cluster says about itself: `5.4.3.1.14178074658457882785`, `vrelease-5-2-3-2169905`, `5.3.0-123` (as
 * seen by vast-csi, vast-ansible and opstat). Undefined for anything else.
 */
export function parseVersion(text: string): VmsVersion | undefined {
  const groups = /(?<![0-9])([0-9]{1,3})[.-]([0-9]{1,3})(?:[.-]([0-9]{1,9}))?/.exec(text.slice(0, 200));
  if (groups === null) return undefined;
  const [major = 0, minor = 0, patch = 0] = groups.slice(1).map((group) => Number(group ?? 0));
  return { major, minor, patch };
}

export function showVersion({ major, minor, patch }: VmsVersion): string {
  return `${major}.${minor}.${patch}`;
}

export function atLeast(version: VmsVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

/**
 * Which `/api/<ver>/` to use: 4.6 has v2, 4.7 v3, 5.0 v4, 5.1 and 5.2 v5 (the map of the vendor's Terraform provider 1.7); later
 * releases keep v5, which the vendor's Go client asks for.
 * @throws EngineError VOST_VMS_VERSION (`unsupported`) below 5.0
 */
export function apiVersionOf(version: VmsVersion): string {
  if (version.major < 5) {
    throw new EngineError('VOST_VMS_VERSION', 'unsupported', `VAST ${showVersion(version)} is older than 5.0`, {
      advice: 'upgrade the cluster, or use its data path alone: store = s3:URL without vms',
    });
  }
  return atLeast(version, 5, 1) ? 'v5' : 'v4';
}

/** What a release can do. Sources: the differences of the published schemas (Terraform provider 1.7 and 2.0, go-vast-client). */
export interface VmsAbilities {
  /** `Api-Token` and the resource `apitokens`. */
  readonly apiTokens: boolean;
  /** `X-Tenant-Name`; older clusters must not be sent it. */
  readonly tenantHeader: boolean;
  /** Access keys, policies and buckets belong to tenants. */
  readonly s3Tenants: boolean;
  /** Names of the object lock fields of a view: `s3_locks` and `s3_locks_retention_period` before 5.1. */
  readonly lockFields: 's3_locks' | 'locking';
  /** `local_provider_id` of a user; required by the newer schema, unknown to the older one. */
  readonly localProvider: boolean;
}

export function abilitiesOf(version: VmsVersion): VmsAbilities {
  return {
    apiTokens: atLeast(version, 5, 3),
    tenantHeader: atLeast(version, 5, 3),
    s3Tenants: atLeast(version, 5, 1),
    lockFields: atLeast(version, 5, 1) ? 'locking' : 's3_locks',
    localProvider: atLeast(version, 5, 3),
  };
}
