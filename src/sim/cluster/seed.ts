import { randomBytes, randomUUID } from 'node:crypto';
import { singleRanges } from './addresses.ts';
import type { ClusterState, VmsSettings } from './cluster-state.ts';
import type { FileSystem } from './file-system.ts';
import {
  type ClusterOptions,
  FIRST_MANAGER,
  FIRST_USER,
  type ManagerOptions,
  S3_DEFAULT_POLICY,
  VIP_DOMAIN,
  VIP_POOL,
} from './options.ts';
import type { View } from './records.ts';

/** Limit that VAST sets unless told otherwise. */
const MAX_API_TOKENS = 5;

/** What VMS begins with: tokens of one hour, and of one day to get new ones. */
export function firstSettings(): VmsSettings {
  return {
    access_token_lifetime: '01:00:00',
    refresh_token_lifetime: '1 00:00:00',
    signing_secret: randomBytes(32).toString('hex'),
    token_generation: 1,
  };
}

/** What every fresh cluster has: a tenant, two view policies, a pool of VIPs, a user, peers. */
export function seedState(state: ClusterState, options: ClusterOptions, addresses: readonly string[]): void {
  const common = () => ({ guid: randomUUID(), created: new Date().toISOString() });
  const tenant = state.tenants.add((id) => ({
    ...common(),
    id,
    name: 'default',
    local_provider_id: 1,
    client_ip_ranges: [],
  }));
  const policy = {
    tenant_id: tenant.id,
    nfs_root_squash: ['*'],
    nfs_no_squash: [],
    s3_read_write: ['*'],
    vip_pools: [],
  };
  state.viewPolicies.add((id) => ({
    ...common(),
    ...policy,
    id,
    name: 'default',
    flavor: 'NFS',
    is_s3_default_policy: false,
  }));
  state.viewPolicies.add((id) => ({
    ...common(),
    ...policy,
    id,
    name: S3_DEFAULT_POLICY,
    flavor: 'S3_NATIVE',
    is_s3_default_policy: true,
  }));
  state.vipPools.add((id) => ({
    ...common(),
    id,
    name: VIP_POOL,
    ip_ranges: singleRanges(addresses),
    subnet_cidr: 24,
    role: 'PROTOCOLS',
    domain_name: VIP_DOMAIN,
    tenant_id: null,
    enabled: true,
    port_membership: 'ALL',
  }));
  state.users.add((id) => ({
    ...common(),
    id,
    name: FIRST_USER,
    uid: 1000,
    gids: [],
    local_provider_id: 1,
    s3_superuser: true,
    allow_create_bucket: true,
    allow_delete_bucket: true,
    s3_policies_ids: [],
  }));
  for (let peer = 1; peer <= (options.peers ?? 1); peer += 1) {
    // Our own cluster has id 1.
    state.peers.add((id) => ({ id: id + 1, name: `peer-${peer}`, guid: randomUUID(), sw_version: '5.2.0.9.7' }));
  }
}

/** Managers and keys that the options name, whatever there was before. */
export function applyIdentities(state: ClusterState, options: ClusterOptions): void {
  const first: ManagerOptions = { username: FIRST_MANAGER, password: randomBytes(12).toString('base64url') };
  const known = state.managers.size > 0;
  for (const { username, password, tenant } of options.managers ?? (known ? [] : [first])) {
    const tenant_id = tenant === undefined ? null : ensureTenant(state, tenant);
    const before = state.managers.find((manager) => manager.username === username);
    const row = { username, password, tenant_id, max_api_tokens: before?.max_api_tokens ?? MAX_API_TOKENS };
    if (before === undefined) state.managers.add((id) => ({ ...row, id }));
    else state.managers.replace({ ...row, id: before.id });
  }
  applyKeys(state, options);
}

function ensureTenant(state: ClusterState, name: string): number {
  const tenant = state.tenants.find((each) => each.name === name);
  return (tenant ?? state.tenants.add((id) => ({ id, name, guid: randomUUID(), local_provider_id: 1 }))).id;
}

function applyKeys(state: ClusterState, options: ClusterOptions): void {
  const user = state.users.find(({ name }) => name === FIRST_USER);
  if (user === undefined) return;
  const before = state.keys.find((key) => key.user_id === user.id);
  if (before !== undefined && options.keys === undefined) return;
  const keys = options.keys ?? {
    accessKey: randomBytes(10).toString('hex').toUpperCase(),
    secretKey: randomBytes(30).toString('base64url'),
  };
  const row = {
    user_id: user.id,
    tenant_id: 1,
    access_key: keys.accessKey,
    secret_key: keys.secretKey,
    enabled: true,
    creation_time: new Date().toISOString(),
  };
  const same = state.keys.find((key) => key.access_key === keys.accessKey);
  if (same !== undefined) state.keys.replace({ ...row, id: same.id });
  else if (before !== undefined) state.keys.replace({ ...row, id: before.id });
  else state.keys.add((id) => ({ ...row, id }));
}

/** Buckets without a view are older than the cluster's state: give them one. */
export function adoptBuckets(state: ClusterState, files: FileSystem): void {
  for (const name of files.strays()) {
    const path = `/${name}`;
    files.adopt(1, path, name);
    addBucketView(state, { bucket: name, path, tenantId: 1, owner: FIRST_USER, created: new Date().toISOString() });
  }
}

export interface NewBucket {
  readonly bucket: string;
  readonly path: string;
  readonly tenantId: number;
  readonly owner: string;
  readonly created: string;
}

/** The view of a bucket that nobody made through VMS: it has the default policy for S3. */
export function addBucketView(state: ClusterState, { bucket, path, tenantId, owner, created }: NewBucket): View {
  const policy =
    state.viewPolicies.find((each) => each['is_s3_default_policy'] === true && each.tenant_id === tenantId) ??
    state.viewPolicies.find((each) => each.name === S3_DEFAULT_POLICY);
  return state.views.add((id) => ({
    id,
    guid: randomUUID(),
    name: '',
    path,
    tenant_id: tenantId,
    policy_id: policy?.id ?? 1,
    protocols: ['S3'],
    bucket,
    bucket_owner: owner,
    created,
    s3_versioning: false,
    locking: false,
    alias: '',
    share: '',
  }));
}
