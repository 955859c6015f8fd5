import type { ViewPolicy } from '../../cluster/records.ts';
import type { Route } from '../context.ts';
import type { Fields } from '../fields.ts';
import { type Resource, resourceRoutes } from '../resource.ts';
import { fieldError, invalidReference, listError } from '../vms-error.ts';

const FIELDS: Fields = {
  name: { kind: 'text', required: true },
  tenant_id: { kind: 'int', fixed: true },
  flavor: { kind: 'text', choices: ['NFS', 'SMB', 'MIXED_LAST_WINS', 'S3_NATIVE'], initial: 'NFS' },
  nfs_read_write: { kind: 'texts', initial: ['*'] },
  nfs_read_only: { kind: 'texts', initial: [] },
  nfs_no_squash: { kind: 'texts', initial: [] },
  nfs_root_squash: { kind: 'texts', initial: ['*'] },
  nfs_all_squash: { kind: 'texts', initial: [] },
  s3_read_write: { kind: 'texts', initial: ['*'] },
  s3_read_only: { kind: 'texts', initial: [] },
  s3_visibility: { kind: 'texts', initial: [] },
  s3_visibility_groups: { kind: 'texts', initial: [] },
  s3_special_chars_support: { kind: 'bool', initial: false },
  is_s3_default_policy: { kind: 'bool', initial: false },
  s3_flavor_allow_free_listing: { kind: 'bool', initial: false },
  s3_flavor_detect_full_pathname: { kind: 'bool', initial: false },
  enable_access_to_snapshot_dir_in_subdirs: { kind: 'bool', initial: true },
  enable_visibility_of_snapshot_dir: { kind: 'bool', initial: false },
  vip_pools: { kind: 'ints', initial: [] },
  permission_per_vip_pool: { kind: 'object', initial: {} },
  trash_access: { kind: 'texts', initial: [] },
  auth_source: { kind: 'text', choices: ['RPC', 'PROVIDERS', 'RPC_AND_PROVIDERS'], initial: 'RPC_AND_PROVIDERS' },
  path_length: { kind: 'text', choices: ['LCD', 'NPL'], initial: 'LCD' },
  allowed_characters: { kind: 'text', choices: ['LCD', 'NPL'], initial: 'LCD' },
  nfs_minimal_protection_level: { kind: 'text', initial: 'SYSTEM' },
  nfs_enforce_tls: { kind: 'bool', initial: false, since: '5.3' },
};

const VIEW_POLICIES: Resource<ViewPolicy> = {
  name: 'viewpolicies',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.viewPolicies,
  fields: FIELDS,
  computed: (policy, { state }) => ({
    count_views: state.views.all().filter((view) => view.policy_id === policy.id).length,
    tenant_name: state.tenants.get(policy.tenant_id)?.name ?? null,
  }),
  prepare: (body, { state }) => {
    const tenant_id = (body['tenant_id'] as number | null) ?? 1;
    if (state.tenants.get(tenant_id) === undefined) throw invalidReference('tenant_id', tenant_id);
    if (state.viewPolicies.find((each) => each.name === body['name'] && each.tenant_id === tenant_id) !== undefined) {
      throw fieldError('name', 'view policy with this name already exists.');
    }
    for (const id of body['vip_pools'] as number[]) {
      if (state.vipPools.get(id) === undefined) throw invalidReference('vip_pools', id);
    }
    return { ...body, tenant_id };
  },
  checkChange: (policy, change, { state }) => {
    const { flavor } = change;
    const inUse = state.views.find((view) => view.policy_id === policy.id && view.protocols.includes('S3'));
    if (flavor !== undefined && flavor !== policy.flavor && inUse !== undefined) {
      throw listError('flavor cannot be changed while views with S3 use the policy');
    }
    return change;
  },
  removing: (policy, { state }) => {
    if (state.views.find((view) => view.policy_id === policy.id) !== undefined) {
      throw listError(`View policy ${policy.name} is in use by views`, 409);
    }
    return undefined;
  },
};

export const VIEW_POLICY_ROUTES: readonly Route[] = resourceRoutes(VIEW_POLICIES);
