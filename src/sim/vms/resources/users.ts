import { randomBytes } from 'node:crypto';
import type { AccessKey, User } from '../../cluster/records.ts';
import { isSince } from '../../cluster/release.ts';
import type { Answer, Context, Ids, Route } from '../context.ts';
import type { Fields } from '../fields.ts';
import { answerList } from '../listing.ts';
import { type Resource, resourceRoutes, rowOf, showRow } from '../resource.ts';
import { fieldError, invalidReference, listError, notFound, textError } from '../vms-error.ts';

/** Older VAST manuals: at most two key pairs per user. */
const MAX_KEYS = 2;
/** The first uid handed out when nobody says which. */
const FIRST_UID = 20_000;
const FIRST_VID = 2_000_000;

const FIELDS: Fields = {
  name: { kind: 'text', required: true, fixed: true },
  local_provider_id: { kind: 'int', fixed: true },
  uid: { kind: 'int' },
  gids: { kind: 'ints', initial: [] },
  leading_gid: { kind: 'int' },
  allow_create_bucket: { kind: 'bool', initial: false },
  allow_delete_bucket: { kind: 'bool', initial: false },
  s3_superuser: { kind: 'bool', initial: false },
  s3_policies_ids: { kind: 'ints', initial: [] },
  password: { kind: 'text', since: '5.4' },
};

const USERS: Resource<User> = {
  name: 'users',
  verbs: ['list', 'read', 'create', 'change', 'remove'],
  rows: (state) => state.users,
  fields: FIELDS,
  hidden: ['password'],
  computed: (user, context) => ({
    vid: FIRST_VID + user.id,
    sid: `S-1-115-1-10-${user.id}`,
    access_keys: keysOf(user, context).map(({ access_key, enabled, creation_time, tenant_id }) => ({
      access_key,
      enabled,
      creation_time,
      ...(isSince(context.release, '5.1') ? { tenant_id } : {}),
    })),
  }),
  prepare: (body, { state, release }) => {
    // The newest schema demands it; VAST's CSI driver still goes without on older ones.
    if (body['local_provider_id'] === null && isSince(release, '5.5')) {
      throw fieldError('local_provider_id', 'This field is required.');
    }
    if (state.users.find(({ name }) => name === body['name']) !== undefined) {
      throw textError(`User ${body['name']} already exists`);
    }
    const uid = (body['uid'] as number | null) ?? FIRST_UID + state.users.size;
    if (state.users.find((user) => user.uid === uid) !== undefined) throw textError(`uid ${uid} is already in use`);
    return { ...body, uid, local_provider_id: body['local_provider_id'] ?? 1 };
  },
  checkChange: (_, change, { state }) => {
    for (const id of (change['s3_policies_ids'] as number[] | undefined) ?? []) {
      if (state.s3Policies.get(id) === undefined) throw invalidReference('s3_policies_ids', id);
    }
    return change;
  },
  removing: (user, context) => {
    if (context.state.views.find((view) => view.bucket_owner === user.name) !== undefined) {
      throw listError(`User ${user.name} owns buckets`, 409);
    }
    for (const key of context.state.keys.all()) if (key.user_id === user.id) context.state.keys.remove(key.id);
    return undefined;
  },
};

export const USER_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/users/query/', run: queryUser },
  ...resourceRoutes(USERS),
  { method: 'POST', path: '/users/:id/access_keys/', run: createKey },
  { method: 'PATCH', path: '/users/:id/access_keys/', run: enableKey },
  { method: 'DELETE', path: '/users/:id/access_keys/', run: deleteKey },
  {
    method: 'GET',
    path: '/locals3keys/',
    since: '5.3',
    run: (context) =>
      answerList(
        context,
        context.state.keys.all().flatMap((key) => {
          const user = context.state.users.get(key.user_id);
          const visible = context.tenantId === undefined || key.tenant_id === context.tenantId;
          const { secret_key: _, ...shown } = key;
          return visible && user !== undefined ? [{ ...shown, user: user.name, uid: user.uid }] : [];
        }),
      ),
  },
];

function keysOf(user: User, { state, tenantId }: Context): AccessKey[] {
  return state.keys
    .all()
    .filter((key) => key.user_id === user.id && (tenantId === undefined || key.tenant_id === tenantId));
}

function queryUser(context: Context): Answer {
  const { query, state } = context;
  const wanted = (user: User) =>
    query.has('username') ? user.name === query.get('username') : String(user.uid) === query.get('uid');
  const user = state.users.find(wanted);
  if (user === undefined) throw notFound();
  return { status: 200, body: showRow(USERS, user, context) };
}

function createKey(context: Context, ids: Ids): Answer {
  const { state } = context;
  const user = rowOf(state.users, ids['id'], context);
  const tenant = (context.body['tenant_id'] as number | undefined) ?? context.tenantId ?? 1;
  if (state.tenants.get(tenant) === undefined || (context.tenantId !== undefined && context.tenantId !== tenant)) {
    throw invalidReference('tenant_id', tenant);
  }
  if (state.keys.all().filter((key) => key.user_id === user.id).length >= MAX_KEYS) {
    throw listError(`user ${user.name} has ${MAX_KEYS} access keys already`);
  }
  const key = state.keys.add((id) => ({
    id,
    user_id: user.id,
    tenant_id: tenant,
    access_key: randomBytes(10).toString('hex').toUpperCase(),
    secret_key: randomBytes(30).toString('base64url'),
    enabled: true,
    creation_time: context.now,
  }));
  return { status: 200, body: { access_key: key.access_key, secret_key: key.secret_key } };
}

function namedKey(context: Context, ids: Ids): AccessKey {
  const user = rowOf(context.state.users, ids['id'], context);
  const name = context.body['access_key'];
  if (name === undefined) throw fieldError('access_key', 'This field is required.');
  const key = keysOf(user, context).find(({ access_key }) => access_key === name);
  if (key === undefined) throw notFound();
  return key;
}

function enableKey(context: Context, ids: Ids): Answer {
  const key = namedKey(context, ids);
  const { enabled } = context.body;
  if (typeof enabled !== 'boolean') throw fieldError('enabled', 'Must be a valid boolean.');
  context.state.keys.replace({ ...key, enabled });
  return { status: 204 };
}

function deleteKey(context: Context, ids: Ids): Answer {
  context.state.keys.remove(namedKey(context, ids).id);
  return { status: 204 };
}
