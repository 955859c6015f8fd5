import { isBelow } from '../../cluster/file-system.ts';
import { protectBucket } from '../../cluster/protect-bucket.ts';
import type { View } from '../../cluster/records.ts';
import { isSince } from '../../cluster/release.ts';
import type { Context, Route } from '../context.ts';
import type { Body, Fields } from '../fields.ts';
import { type Resource, resourceRoutes, rowOf } from '../resource.ts';
import { fieldError, invalidReference, listError } from '../vms-error.ts';

/** Rules of bucket names, as S3 has them. */
const BUCKET_NAME = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PROTOCOLS = ['NFS', 'NFS4', 'SMB', 'S3', 'ENDPOINT', 'DATABASE', 'KAFKA', 'BLOCK'];
const RETENTION = ['NONE', 'GOVERNANCE', 'COMPLIANCE'];

/** Object lock is `s3_locks…` up to 5.2 and `locking…` from 5.1 on: both releases between know both. */
const FIELDS: Fields = {
  path: { kind: 'text', required: true, fixed: true },
  policy_id: { kind: 'int', required: true },
  tenant_id: { kind: 'int', fixed: true },
  name: { kind: 'text', initial: '' },
  protocols: { kind: 'texts', choices: PROTOCOLS, initial: ['NFS'] },
  alias: { kind: 'text', initial: '' },
  share: { kind: 'text', initial: '' },
  bucket: { kind: 'text', initial: '' },
  bucket_owner: { kind: 'text', initial: '' },
  bucket_owner_type: { kind: 'text', choices: ['USER', 'ROLE'], initial: 'USER', since: '5.4' },
  bucket_creators: { kind: 'texts', initial: [] },
  bucket_creators_groups: { kind: 'texts', initial: [] },
  s3_versioning: { kind: 'bool', initial: false },
  s3_locks: { kind: 'bool', initial: false, until: '5.3' },
  s3_locks_retention_mode: { kind: 'text', choices: RETENTION, initial: 'NONE' },
  s3_locks_retention_period: { kind: 'text', until: '5.3' },
  locking: { kind: 'bool', initial: false, since: '5.1' },
  default_retention_period: { kind: 'text', since: '5.1' },
  min_retention_period: { kind: 'text', since: '5.1' },
  max_retention_period: { kind: 'text', since: '5.1' },
  files_retention_mode: { kind: 'text', choices: RETENTION, initial: 'NONE', since: '5.1' },
  auto_commit: { kind: 'text', since: '5.1' },
  s3_object_ownership_rule: { kind: 'text', initial: 'None', since: '5.1' },
  s3_unverified_lookup: { kind: 'bool', initial: false },
  allow_s3_anonymous_access: { kind: 'bool', initial: false },
  bucket_logging: { kind: 'object', since: '5.2' },
  is_indestructible_object_enabled: { kind: 'bool', initial: false, since: '5.3' },
  indestructible_object_duration: { kind: 'int', since: '5.3' },
  qos_policy_id: { kind: 'int' },
  owner: { kind: 'text', since: '5.5' },
  owning_group: { kind: 'text', since: '5.5' },
  select_for_live_monitoring: { kind: 'bool', initial: false },
  is_seamless: { kind: 'bool', initial: false, since: '5.4' },
  create_dir: { kind: 'bool', initial: false },
  create_dir_mode: { kind: 'int' },
};

const VIEWS: Resource<View> = {
  name: 'views',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.views,
  fields: FIELDS,
  hidden: ['create_dir', 'create_dir_mode'],
  detailOnly: ['bucket_logging'],
  computed: showView,
  prepare: prepareView,
  made: (view, context) => {
    if (context.body['create_dir'] === true) context.files.ensure(view.tenant_id, view.path);
    protectBucket(view, context.files);
  },
  checkChange: checkViewChange,
};

export const VIEW_ROUTES: readonly Route[] = [
  ...resourceRoutes(VIEWS),
  {
    method: 'GET',
    path: '/views/:id/legal_hold/',
    run: (context, ids) => {
      const view = rowOf(context.state.views, ids['id'], context);
      return { status: 200, body: view['legal_hold'] ?? { legal_hold_path: view.path, value: false } };
    },
  },
  {
    method: 'PATCH',
    path: '/views/:id/legal_hold/',
    run: (context, ids) => {
      const view = rowOf(context.state.views, ids['id'], context);
      const { legal_hold_path: path = view.path, value = true } = context.body;
      context.state.views.replace({ ...view, legal_hold: { legal_hold_path: path, value } });
      return { status: 200, body: { legal_hold_path: path, value } };
    },
  },
];

function showView(view: View, context: Context): Body {
  const { state, files } = context;
  const usage = files.usage(view.tenant_id, view.path);
  return {
    title: view.path,
    policy: state.viewPolicies.get(view.policy_id)?.name ?? null,
    tenant_name: state.tenants.get(view.tenant_id)?.name ?? null,
    logical_capacity: usage.bytes,
    physical_capacity: usage.blockBytes,
    internal: false,
    is_remote: false,
    sync: 'SYNCED',
    nqn: null,
  };
}

function prepareView(body: Body, context: Context): Body {
  const { state, files } = context;
  const path = String(body['path']);
  if (!path.startsWith('/')) throw fieldError('path', 'Path must start with /.');
  if (path.length > 1 && path.endsWith('/')) throw fieldError('path', 'Path must not end with /.');
  if (path.includes('//') || path.split('/').some((part) => part === '.' || part === '..')) {
    throw fieldError('path', 'Path is not valid.');
  }
  const policy = state.viewPolicies.get(body['policy_id'] as number);
  if (policy === undefined) throw invalidReference('policy_id', body['policy_id']);
  const tenant_id = (body['tenant_id'] as number | null) ?? policy.tenant_id;
  if (state.tenants.get(tenant_id) === undefined) throw invalidReference('tenant_id', tenant_id);
  if (policy.tenant_id !== tenant_id) throw fieldError('policy_id', 'The policy belongs to another tenant.');
  const protocols = [...new Set(body['protocols'] as string[])].sort().join();
  const twin = state.views.find(
    (view) =>
      view.tenant_id === tenant_id &&
      view.path === path &&
      [...view.protocols].sort().some((p) => protocols.split(',').includes(p)),
  );
  if (twin !== undefined) throw listError(`View path ${path} already exists`);
  if (body['create_dir'] !== true && !files.exists(tenant_id, path)) throw listError('no such directory');
  checkBucket(body, context);
  checkLocks(body, context);
  return { ...body, tenant_id };
}

/** S3 needs a bucket, whose name nobody else in the cluster has, and an owner. */
function checkBucket(body: Body, { state }: Context, self?: View): void {
  const bucket = String(body['bucket'] ?? '');
  if (!(body['protocols'] as readonly string[]).includes('S3')) return;
  if (bucket === '') throw fieldError('bucket', 'This field is required for S3 views.');
  if (!BUCKET_NAME.test(bucket)) throw fieldError('bucket', 'Invalid bucket name.');
  if (state.views.find((view) => view.bucket === bucket && view.id !== self?.id) !== undefined) {
    throw listError(`Bucket ${bucket} already exists`);
  }
  const owner = String(body['bucket_owner'] ?? '');
  if (owner === '') throw fieldError('bucket_owner', 'This field is required for S3 views.');
  if (state.users.find(({ name }) => name === owner) === undefined) {
    throw fieldError('bucket_owner', `User ${owner} was not found.`);
  }
}

/** The schema wants locking with versioning; locks cannot do without versions. */
function checkLocks(body: Body, { release }: Context): void {
  const locking = body['locking'] === true || body['s3_locks'] === true;
  const versioning = body['s3_versioning'] === true;
  if (locking && !versioning) throw fieldError('s3_versioning', 'Object locking requires versioning.');
  if (versioning && !locking && isSince(release, '5.1')) {
    throw fieldError('locking', 'Must be true when s3_versioning is true.');
  }
  if (body['is_indestructible_object_enabled'] === true) {
    if (locking || versioning) throw listError('indestructible object mode excludes versioning and locking');
    const days = body['indestructible_object_duration'];
    if (typeof days === 'number' && (days < 1 || days > 400)) {
      throw fieldError('indestructible_object_duration', 'Ensure this value is between 1 and 400.');
    }
  }
}

function checkViewChange(view: View, change: Body, context: Context): Body {
  for (const name of ['s3_versioning', 'locking', 's3_locks']) {
    if (view[name] === true && change[name] === false) throw fieldError(name, 'Cannot be disabled.');
  }
  const { policy_id } = change;
  if (policy_id !== undefined && context.state.viewPolicies.get(policy_id as number) === undefined) {
    throw invalidReference('policy_id', policy_id);
  }
  checkBucket({ ...view, ...change }, context, view);
  return change;
}

/** The S3 view of a bucket. */
export function viewOfBucket({ state }: Pick<Context, 'state'>, bucket: string): View | undefined {
  return state.views.find((view) => view.bucket === bucket && view.protocols.includes('S3'));
}

/** Views at or below a path. */
export function viewsBelow({ state }: Pick<Context, 'state'>, tenantId: number, path: string): View[] {
  return state.views.all().filter((view) => view.tenant_id === tenantId && isBelow(view.path, path));
}
