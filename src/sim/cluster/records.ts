/**
 * What the cluster remembers, by VMS's own field names (snake case), because that is how the fields
 * travel. Times are ISO 8601; sizes are bytes.
 */
import type { Row } from './collection.ts';

interface Named extends Row {
  readonly name: string;
  readonly guid: string;
}

export interface Tenant extends Named {
  readonly [field: string]: unknown;
}

export interface View extends Named {
  readonly path: string;
  readonly tenant_id: number;
  readonly policy_id: number;
  readonly protocols: readonly string[];
  /** '' unless S3 is among the protocols. */
  readonly bucket: string;
  /** Name of a user. */
  readonly bucket_owner: string;
  readonly created: string;
  readonly [field: string]: unknown;
}

export interface ViewPolicy extends Named {
  readonly tenant_id: number;
  readonly flavor: string;
  readonly [field: string]: unknown;
}

/** A user of the data path. */
export interface User extends Named {
  readonly uid: number;
  readonly s3_superuser: boolean;
  readonly allow_create_bucket: boolean;
  readonly allow_delete_bucket: boolean;
  readonly s3_policies_ids: readonly number[];
  readonly [field: string]: unknown;
}

/** An S3 key pair: of one user, for one tenant. */
export interface AccessKey extends Row {
  readonly user_id: number;
  readonly tenant_id: number;
  readonly access_key: string;
  readonly secret_key: string;
  readonly enabled: boolean;
  readonly creation_time: string;
}

export interface Quota extends Named {
  readonly path: string;
  readonly tenant_id: number;
  readonly hard_limit: number | null;
  readonly soft_limit: number | null;
  readonly hard_limit_inodes: number | null;
  readonly soft_limit_inodes: number | null;
  readonly grace_period: string | null;
  /** Since when the soft limit is exceeded. */
  readonly soft_exceeded_at?: string | undefined;
  readonly [field: string]: unknown;
}

export interface VipPool extends Named {
  readonly ip_ranges: readonly (readonly [start: string, end: string])[];
  readonly tenant_id: number | null;
  readonly domain_name: string;
  readonly enabled: boolean;
  readonly [field: string]: unknown;
}

/** A directory of the cluster's file system, and the bucket folder that holds its bytes. */
export interface Directory extends Row {
  readonly tenant_id: number;
  readonly path: string;
  /** Name of the bucket folder. */
  readonly storage: string;
}

/** Who may use VMS. */
export interface Manager extends Row {
  readonly username: string;
  readonly password: string;
  /** null: an administrator of the whole cluster. */
  readonly tenant_id: number | null;
  readonly max_api_tokens: number;
}

export interface ApiToken extends Row {
  readonly public_id: string;
  readonly token: string;
  readonly name: string;
  readonly owner: string;
  readonly created: string;
  readonly expiry_date: string | null;
  readonly last_used: string | null;
  readonly revoked: boolean;
  readonly revocation_time: string | null;
}

/** What a task will have become once its time is over. */
export type TaskEnd = 'COMPLETED' | 'FAILED' | 'TIMEOUT' | 'PARTIALLY_COMPLETED';

export interface Task extends Row {
  readonly name: string;
  readonly start_time: string;
  readonly duration_ms: number;
  readonly end: TaskEnd;
  /** The last one is the error text of a task that did not complete. */
  readonly messages: readonly string[];
}

export interface ClusterEvent extends Row {
  readonly timestamp: string;
  readonly severity: string;
  readonly event_name: string;
  readonly event_type: string;
  readonly event_message: string;
  readonly object_type: string;
  readonly object_id: number;
}

/** Rows of resources without a behaviour of their own. */
export interface PlainRow extends Row {
  readonly [field: string]: unknown;
}
