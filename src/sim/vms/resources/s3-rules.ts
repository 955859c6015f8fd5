import type { PlainRow } from '../../cluster/records.ts';
import type { Route } from '../context.ts';
import { type Resource, resourceRoutes } from '../resource.ts';
import { fieldError, invalidReference } from '../vms-error.ts';

const LIFECYCLE: Resource<PlainRow> = {
  name: 's3lifecyclerules',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.lifecycleRules,
  fields: {
    name: { kind: 'text', required: true },
    view_id: { kind: 'int', required: true, fixed: true },
    prefix: { kind: 'text', initial: '' },
    enabled: { kind: 'bool', initial: true },
    expiration_days: { kind: 'int' },
    expiration_date: { kind: 'time' },
    noncurrent_days: { kind: 'int' },
    newer_noncurrent_versions: { kind: 'int' },
    abort_mpu_days_after_initiation: { kind: 'int' },
    expired_obj_delete_marker: { kind: 'bool', initial: false },
    min_size: { kind: 'int' },
    max_size: { kind: 'int' },
    object_age_attr: { kind: 'text', choices: ['M_TIME', 'A_TIME', 'C_TIME'], initial: 'M_TIME' },
    tags: { kind: 'object', since: '5.4' },
  },
  prepare: (body, { state }) => {
    const view = state.views.get(body['view_id'] as number);
    if (view === undefined || !view.protocols.includes('S3')) throw invalidReference('view_id', body['view_id']);
    const twin = state.lifecycleRules.find((row) => row['name'] === body['name'] && row['view_id'] === view.id);
    if (twin !== undefined) throw fieldError('name', 'lifecycle rule with this name already exists.');
    return { ...body, tenant_id: view.tenant_id };
  },
  computed: (row, { state }) => ({ view_path: state.views.get(row['view_id'] as number)?.path ?? null }),
};

const POLICIES: Resource<PlainRow> = {
  name: 's3policies',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.s3Policies,
  fields: {
    name: { kind: 'text', required: true },
    policy: { kind: 'text', required: true },
    tenant_id: { kind: 'int', since: '5.1', fixed: true },
    enabled: { kind: 'bool', initial: true },
  },
  prepare: (body, { state }) => {
    if (state.s3Policies.find((row) => row['name'] === body['name']) !== undefined) {
      throw fieldError('name', 's3 policy with this name already exists.');
    }
    checkPolicy(body['policy']);
    return { ...body, tenant_id: body['tenant_id'] ?? 1 };
  },
  checkChange: (_, change) => {
    if (change['policy'] !== undefined) checkPolicy(change['policy']);
    return change;
  },
  computed: (row, { state }) => ({
    users: state.users
      .all()
      .filter((user) => user.s3_policies_ids.includes(row.id))
      .map(({ name }) => name),
    groups: [],
    is_replicated: false,
  }),
};

export const S3_RULE_ROUTES: readonly Route[] = [...resourceRoutes(LIFECYCLE), ...resourceRoutes(POLICIES)];

/** The policy is a JSON document in a string. */
function checkPolicy(text: unknown): void {
  try {
    const { Statement: statement } = JSON.parse(String(text)) as { Statement?: unknown };
    if (Array.isArray(statement)) return;
  } catch {
    // Said below.
  }
  throw fieldError('policy', 'The policy is not valid.');
}
