import type { Tenant } from '../../cluster/records.ts';
import type { Route } from '../context.ts';
import type { Fields } from '../fields.ts';
import { type Resource, resourceRoutes } from '../resource.ts';
import { detailError, fieldError } from '../vms-error.ts';

const FIELDS: Fields = {
  name: { kind: 'text', required: true },
  client_ip_ranges: { kind: 'ranges', initial: [] },
  capacity_rules: { kind: 'object' },
  qos: { kind: 'object' },
  local_provider_id: { kind: 'int', initial: 1 },
  domain_name: { kind: 'text', initial: '' },
  is_nfsv42_supported: { kind: 'bool', initial: false, since: '5.1' },
  max_views: { kind: 'int', since: '5.4' },
};

const TENANTS: Resource<Tenant> = {
  name: 'tenants',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.tenants,
  fields: FIELDS,
  computed: (tenant, { state }) => {
    const pools = state.vipPools.all().filter(({ tenant_id }) => tenant_id === tenant.id);
    return {
      vippool_names: pools.map(({ name }) => name),
      vippools: pools.map(({ id, name }) => ({ id, name })),
      local_provider: { id: tenant['local_provider_id'], name: `local-${tenant['local_provider_id']}` },
      encryption_group_state: 'NONE',
      trash_gid: null,
    };
  },
  prepare: (body, { state, tenantId }) => {
    if (tenantId !== undefined)
      throw detailError(403, 'Only cluster administrators manage tenants.', { code: 'permission_denied' });
    if (state.tenants.find(({ name }) => name === body['name']) !== undefined) {
      throw fieldError('name', 'tenant with this name already exists.');
    }
    return body;
  },
  checkChange: (_, change, { tenantId }) => {
    if (tenantId !== undefined)
      throw detailError(403, 'Only cluster administrators manage tenants.', { code: 'permission_denied' });
    return change;
  },
  removing: (tenant, { state, tenantId }) => {
    if (tenantId !== undefined)
      throw detailError(403, 'Only cluster administrators manage tenants.', { code: 'permission_denied' });
    const used = [state.views, state.quotas, state.keys, state.viewPolicies].some((rows) =>
      (rows.all() as { tenant_id: number }[]).some(({ tenant_id }) => tenant_id === tenant.id),
    );
    if (used || tenant.id === 1) throw detailError(409, `Tenant ${tenant.name} is in use.`);
    return undefined;
  },
};

export const TENANT_ROUTES: readonly Route[] = resourceRoutes(TENANTS);
