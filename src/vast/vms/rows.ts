/**
 * What the cluster answers, as far as we look at it. Fields that we do not know are let through; fields that a release or a list
 * leaves out are absent. Source: the published schemas of 5.3 and 5.5 (Terraform provider 2.0, go-vast-client).
 */
import { z } from 'zod';

const id = z.number().int();
const text = z.string().max(65_536);
const maybe = text.nullish();
/** Bytes; null while a cluster has no figure yet. */
const bytes = z.number().nullish();
const flag = z.boolean().nullish();
const count = z.number().nullish();

export const ClusterRow = z.looseObject({
  id,
  name: maybe,
  guid: maybe,
  sw_version: maybe,
  state: maybe,
  /** Marks our own cluster among its remote peers. */
  local: flag,
  loopback: flag,
  logical_space: bytes,
  logical_space_in_use: bytes,
  free_logical_space: bytes,
  physical_space: bytes,
  physical_space_in_use: bytes,
  usable_capacity_bytes: bytes,
  drr: count,
  enable_similarity: flag,
});
export type ClusterRow = z.output<typeof ClusterRow>;

export const TenantRow = z.looseObject({
  id,
  name: text,
  local_provider_id: count,
  local_provider: z.looseObject({ id: z.number().int() }).nullish(),
});
export type TenantRow = z.output<typeof TenantRow>;

export const ViewRow = z.looseObject({
  id,
  path: text,
  name: maybe,
  policy_id: count,
  tenant_id: count,
  protocols: z.array(text).nullish(),
  bucket: maybe,
  bucket_owner: maybe,
  s3_versioning: flag,
  locking: flag,
  /** The name of `locking` before 5.1. */
  s3_locks: flag,
  s3_locks_retention_mode: maybe,
  min_retention_period: maybe,
  max_retention_period: maybe,
  logical_capacity: bytes,
});
export type ViewRow = z.output<typeof ViewRow>;

export const PolicyRow = z.looseObject({
  id,
  name: text,
  flavor: maybe,
  tenant_id: count,
  nfs_read_write: z.array(text).nullish(),
  nfs_no_squash: z.array(text).nullish(),
});
export type PolicyRow = z.output<typeof PolicyRow>;

export const AccessKeyRow = z.looseObject({ access_key: text, enabled: flag, tenant_id: count });
export const UserRow = z.looseObject({
  id,
  name: text,
  uid: count,
  access_keys: z.array(AccessKeyRow).nullish(),
});
export type UserRow = z.output<typeof UserRow>;

/** The only answer that ever has the secret. */
export const NewAccessKey = z.looseObject({ access_key: text.min(1), secret_key: text.min(1) });

export const QuotaRow = z.looseObject({
  id,
  name: maybe,
  path: text,
  tenant_id: count,
  hard_limit: bytes,
  soft_limit: bytes,
  used_capacity: bytes,
  used_effective_capacity: bytes,
  used_inodes: count,
  state: maybe,
});
export type QuotaRow = z.output<typeof QuotaRow>;

export const VipPoolRow = z.looseObject({
  id,
  name: text,
  role: maybe,
  ip_ranges: z.array(z.array(text).length(2)).max(4096).nullish(),
  domain_name: maybe,
  tenant_id: count,
  enabled: flag,
});
export type VipPoolRow = z.output<typeof VipPoolRow>;

export const VipRow = z.looseObject({ id, ip: text, vippool: maybe, cnode: maybe });
export const SnapshotRow = z.looseObject({ id, name: text, path: text, state: maybe, created: maybe, locked: flag });
export const LifecycleRow = z.looseObject({
  id,
  name: text,
  view_id: count,
  enabled: flag,
  abort_mpu_days_after_initiation: count,
});
export const ApiTokenRow = z.looseObject({
  id: z.union([z.string(), z.number()]),
  name: maybe,
  owner: maybe,
  revoked: flag,
  archived: flag,
});
export const NewApiToken = z.looseObject({ id: z.union([z.string(), z.number()]), token: text.min(1) });
export const EventRow = z.looseObject({
  id,
  timestamp: maybe,
  severity: maybe,
  event_type: maybe,
  event_message: maybe,
  object_type: maybe,
  object_name: maybe,
});
/** Protection policies, protected paths, replication streams and targets: read only, for what an LSU is. */
export const ProtectionRow = z.looseObject({ id, name: maybe, state: maybe, role: maybe, source_dir: maybe });
export const TaskRow = z.looseObject({ id, name: maybe, state: maybe, messages: z.array(z.unknown()).nullish() });
