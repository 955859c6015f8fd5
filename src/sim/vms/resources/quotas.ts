import { quotaUsage } from '../../cluster/quota-usage.ts';
import type { Quota } from '../../cluster/records.ts';
import type { Context, Route } from '../context.ts';
import type { Body, Fields } from '../fields.ts';
import { type Resource, resourceRoutes, rowOf, showRow } from '../resource.ts';
import { detailError, invalidReference } from '../vms-error.ts';

const FIELDS: Fields = {
  name: { kind: 'text', required: true },
  path: { kind: 'text', required: true, fixed: true },
  tenant_id: { kind: 'int', fixed: true },
  hard_limit: { kind: 'int' },
  soft_limit: { kind: 'int' },
  hard_limit_inodes: { kind: 'int' },
  soft_limit_inodes: { kind: 'int' },
  grace_period: { kind: 'text' },
  is_user_quota: { kind: 'bool', initial: false },
  enable_alarms: { kind: 'bool', initial: false },
  is_physical_quota: { kind: 'bool', initial: false, since: '5.4', fixed: true },
  create_dir: { kind: 'bool', initial: false },
  create_dir_mode: { kind: 'int' },
};
const TB = 1e12;

const QUOTAS: Resource<Quota> = {
  name: 'quotas',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.quotas,
  fields: FIELDS,
  hidden: ['create_dir', 'create_dir_mode', 'soft_exceeded_at'],
  computed: showQuota,
  prepare: (body, { state, files }) => {
    const tenant_id = (body['tenant_id'] as number | null) ?? 1;
    if (state.tenants.get(tenant_id) === undefined) throw invalidReference('tenant_id', tenant_id);
    const path = body['path'] as string;
    const trimmed = path.length > 1 ? path.replace(/\/$/, '') : path;
    if (!path.startsWith('/')) throw detailError(400, 'Quota path must start with /.');
    if (state.quotas.find((quota) => quota.path === trimmed && quota.tenant_id === tenant_id) !== undefined) {
      throw detailError(400, `Quota path ${trimmed} already exists`);
    }
    checkLimits(body);
    if (body['create_dir'] !== true && !files.exists(tenant_id, trimmed)) throw detailError(400, 'no such directory');
    return { ...body, path: trimmed, tenant_id };
  },
  made: (quota, context) => {
    if (context.body['create_dir'] === true) context.files.ensure(quota.tenant_id, quota.path);
  },
  checkChange: (quota, change) => {
    checkLimits({ ...quota, ...change });
    return change;
  },
};

export const QUOTA_ROUTES: readonly Route[] = [
  ...resourceRoutes(QUOTAS),
  {
    method: 'PATCH',
    path: '/quotas/recalc/',
    run: (context) => {
      const quota = rowOf(context.state.quotas, Number(context.query.get('id')), context);
      return { status: 200, body: showRow(QUOTAS, quota, context) };
    },
  },
];

function checkLimits(body: Body): void {
  for (const kind of ['', '_inodes']) {
    const [soft, hard] = [body[`soft_limit${kind}`], body[`hard_limit${kind}`]];
    if (typeof soft === 'number' && typeof hard === 'number' && hard > 0 && soft > hard) {
      throw detailError(400, 'The soft limit must not exceed the hard limit.');
    }
  }
}

function showQuota(quota: Quota, context: Context): Body {
  const { bytes, effective, inodes, state } = quotaUsage(context, quota);
  const percent = (used: number, limit: number | null) => (limit ? Math.floor((used * 100) / limit) : 0);
  return {
    used_capacity: bytes,
    used_capacity_tb: bytes / TB,
    used_effective_capacity: effective,
    used_effective_capacity_tb: effective / TB,
    used_limited_capacity: effective,
    used_inodes: inodes,
    percent_capacity: percent(effective, quota.hard_limit),
    percent_inodes: percent(inodes, quota.hard_limit_inodes),
    state,
    pretty_state: state.toLowerCase().replaceAll('_', ' '),
    time_to_block: null,
    num_blocked_users: 0,
    system_id: quota.id + 1000,
    sync_state: 'SYNCHRONIZED',
    tenant_name: context.state.tenants.get(quota.tenant_id)?.name ?? null,
  };
}
