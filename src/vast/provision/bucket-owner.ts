import { EngineError } from '../../errors.ts';
import { isBucketLsu } from '../names.ts';
import type { ViewRow } from '../vms/rows.ts';
import { ownName } from './wanted.ts';

/** A user of the data path, and what is his. */
export interface BucketOwner {
  readonly user: string;
  /** Undefined before 5.1, where buckets belong to no tenant. */
  readonly tenantId: number | undefined;
  /** Ascending; at least one. */
  readonly buckets: readonly string[];
}

/**
 * Whose buckets are the LSUs of a storage server that nothing but its name and a login describe. Managers own no buckets, so it is not
 * the login: it is the owner that provisioning makes for a server of this name, else the one called as the login is, else the only one
 * that provisioning made, else the only one that there is. Undefined when there is no bucket.
 * @param server the storage server's name
 * @param login name of the VMS user
 * @throws EngineError VOST_BUCKET_OWNER (`access`) when there are several: which one is meant is not for us to guess
 */
export function bucketOwnerOf(server: string, login: string, views: readonly ViewRow[]): BucketOwner | undefined {
  const owners = ownersOf(views);
  const circles: ((owner: BucketOwner) => boolean)[] = [
    ({ user }) => user === ownName(server),
    ({ user }) => user === login,
    ({ user }) => user.startsWith(ownName('')),
    () => true,
  ];
  const candidates = circles.map((fits) => owners.filter(fits)).find((found) => found.length > 0) ?? [];
  if (candidates.length > 1) {
    const names = candidates.slice(0, 5).map(({ user, tenantId }) => `${user} (tenant ${tenantId ?? '?'})`);
    throw new EngineError(
      'VOST_BUCKET_OWNER',
      'access',
      `${server}: the buckets belong to ${candidates.length} users, ${names.join(', ')}`,
      {
        advice: `add a section [server ${server}] with s3_user = NAME, or call the owner of its buckets ${ownName(server)}`,
      },
    );
  }
  return candidates[0];
}

function ownersOf(views: readonly ViewRow[]): BucketOwner[] {
  const owners = new Map<string, BucketOwner & { readonly buckets: string[] }>();
  for (const { protocols, bucket, bucket_owner: user, tenant_id } of views) {
    if (!protocols?.includes('S3') || !user || !bucket || !isBucketLsu(bucket)) continue;
    const tenantId = tenant_id ?? undefined;
    const key = JSON.stringify([user, tenantId]);
    const owner = owners.get(key) ?? { user, tenantId, buckets: [] };
    owner.buckets.push(bucket);
    owners.set(key, owner);
  }
  for (const { buckets } of owners.values()) buckets.sort();
  return [...owners.values()];
}
