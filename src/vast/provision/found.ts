import { failureOf } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { VmsClient } from '../vms/client.ts';
import type { PolicyRow, QuotaRow, TenantRow, UserRow, ViewRow } from '../vms/rows.ts';
import type { VmsAbilities } from '../vms/version.ts';
import { dataPaths, policyName, type Wanted } from './wanted.ts';

interface Rule {
  readonly id: number;
  readonly name: string;
  readonly view_id?: number | null | undefined;
  readonly enabled?: boolean | null | undefined;
  readonly abort_mpu_days_after_initiation?: number | null | undefined;
}

/** What is on the cluster of all that could matter. */
export interface Found {
  readonly can: VmsAbilities;
  /** Undefined when there is none of that name, or when we may not see tenants. */
  readonly tenant: TenantRow | undefined;
  /** A tenant's administrator sees no tenants and makes none. */
  readonly tenantsVisible: boolean;
  /** Ours, and those that we were told to use, by name. */
  readonly policies: ReadonlyMap<string, PolicyRow>;
  readonly user: UserRow | undefined;
  /** Of the tenant. */
  readonly views: readonly ViewRow[];
  /** Of other tenants as well: buckets are unique in the whole cluster. */
  readonly buckets: ReadonlyMap<string, ViewRow>;
  readonly quotas: readonly QuotaRow[];
  readonly rules: readonly Rule[];
  /** The access key in our credentials file. */
  readonly keyInFile: string | undefined;
}

/** Look at the cluster. Reads only. */
export async function look(
  client: VmsClient,
  wanted: Wanted,
  keyInFile: string | undefined,
  options: RequestOptions = {},
): Promise<Found> {
  const { can } = await client.release(options);
  const tenants = await client.tenants.list(options).catch((error: unknown) => {
    if (['access', 'not-found'].includes(failureOf(error))) return undefined;
    throw error;
  });
  const tenant = tenants?.find(({ name }) => name === (wanted.tenant ?? 'default'));
  // One after the other: a cluster is slow, and slower with many calls at once.
  const views = await client.views.list(options);
  const policies = await client.policies.list(options);
  const quotas = await client.quotas.list(options);
  const s3 = wanted.data === 's3';
  const users = s3 ? await client.users.list(options) : [];
  const rules = s3 ? await client.lifecycleRules.list(options) : [];
  // A tenant that is still to be made has nothing yet.
  const none = tenant === undefined && tenants !== undefined && wanted.tenant !== undefined;
  const ours = (row: { readonly tenant_id?: number | null | undefined }): boolean =>
    !none && (tenant === undefined || typeof row.tenant_id !== 'number' || row.tenant_id === tenant.id);
  const policyNames = dataPaths(wanted).map((data) => policyName(wanted, data));
  const user = users.find(({ name }) => name === wanted.user);
  return {
    can,
    tenant,
    tenantsVisible: tenants !== undefined,
    policies: new Map(
      policies.filter(ours).flatMap((row) => (policyNames.includes(row.name) ? [[row.name, row] as const] : [])),
    ),
    // The list may leave out the keys.
    user: user === undefined ? undefined : await client.users.get(user.id, options),
    views: views.filter(ours),
    buckets: new Map(views.flatMap((view) => (view.bucket ? [[view.bucket, view] as const] : []))),
    quotas: quotas.filter(ours),
    rules,
    keyInFile,
  };
}
