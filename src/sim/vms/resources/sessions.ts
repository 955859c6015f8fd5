import { randomBytes, randomUUID } from 'node:crypto';
import type { ApiToken } from '../../cluster/records.ts';
import { isSince } from '../../cluster/release.ts';
import { checkPassword, invalidToken } from '../auth/authenticate.ts';
import { parseExpiry, parseLifetime } from '../auth/lifetime.ts';
import { issueTokens, tokenUser } from '../auth/tokens.ts';
import type { Answer, Context, Route } from '../context.ts';
import { answerList } from '../listing.ts';
import { detailError, fieldError, forbidden, listError, notFound, VmsError } from '../vms-error.ts';

export const SESSION_ROUTES: readonly Route[] = [
  { method: 'POST', path: '/token/', open: true, run: logIn },
  { method: 'POST', path: '/token/refresh/', open: true, run: refresh },
  {
    method: 'GET',
    path: '/login/',
    since: '5.3',
    run: ({ manager }) => ({
      status: 200,
      body: {
        username: manager.username,
        user_type: manager.tenant_id === null ? 'CLUSTER_ADMIN' : 'TENANT_ADMIN',
        tenant_id: manager.tenant_id,
      },
    }),
  },
  { method: 'GET', path: '/vms/', clusterOnly: true, run: (context) => answerList(context, [vms(context)]) },
  { method: 'GET', path: '/vms/:id/', clusterOnly: true, run: (context) => ({ status: 200, body: vms(context) }) },
  { method: 'PATCH', path: '/vms/:id/', clusterOnly: true, run: changeVms },
  {
    method: 'PATCH',
    path: '/vms/:id/set_max_api_tokens_per_user/',
    since: '5.3',
    clusterOnly: true,
    run: setMaxTokens,
  },
  {
    method: 'GET',
    path: '/apitokens/',
    since: '5.3',
    run: (context) => answerList(context, ownTokens(context).map(showToken)),
  },
  { method: 'POST', path: '/apitokens/', since: '5.3', run: createToken },
  { method: 'PATCH', path: '/apitokens/:id/revoke/', since: '5.3', slash: 'optional', run: revokeToken },
];

function logIn(context: Context): Answer {
  const { username, password } = context.body;
  if (typeof username !== 'string') throw fieldError('username', 'This field is required.');
  if (typeof password !== 'string') throw fieldError('password', 'This field is required.');
  if (checkPassword(context, username, password) === undefined) {
    throw detailError(401, 'No active account found with the given credentials');
  }
  return { status: 200, body: issueTokens(context.state, username, context.clock()) };
}

/** Clients take 401 here as the sign to log in again. */
function refresh(context: Context): Answer {
  const { refresh: token } = context.body;
  if (typeof token !== 'string') throw fieldError('refresh', 'This field is required.');
  const username = tokenUser(context.state, token, 'refresh', context.clock());
  if (username === undefined) throw new VmsError(401, invalidToken(context).body);
  return { status: 200, body: issueTokens(context.state, username, context.clock()) };
}

function vms({ state, baseUrl, release }: Context) {
  const { access_token_lifetime, refresh_token_lifetime } = state.settings;
  return {
    id: 1,
    name: 'vms-1',
    access_token_lifetime,
    refresh_token_lifetime,
    ...(isSince(release, '5.3') ? { max_api_tokens_per_user: state.managers.all()[0]?.max_api_tokens } : {}),
    url: `${baseUrl}/vms/1`,
  };
}

function changeVms(context: Context): Answer {
  const changes: Record<string, string> = {};
  for (const name of ['access_token_lifetime', 'refresh_token_lifetime']) {
    const value = context.body[name];
    if (value === undefined) continue;
    if (typeof value !== 'string' || parseLifetime(value) === undefined) {
      throw fieldError(name, 'Duration has wrong format. Use one of these formats instead: [DD [HH:[MM:]]]ss.');
    }
    changes[name] = value;
  }
  context.state.settings = { ...context.state.settings, ...changes };
  return { status: 200, body: vms(context) };
}

function setMaxTokens(context: Context): Answer {
  const most = context.body['max_api_tokens_per_user'];
  if (typeof most !== 'number' || !Number.isSafeInteger(most) || most < 0) {
    throw fieldError('max_api_tokens_per_user', 'A valid integer is required.');
  }
  for (const manager of context.state.managers.all())
    context.state.managers.replace({ ...manager, max_api_tokens: most });
  return { status: 200, body: vms(context) };
}

function ownTokens({ state, manager }: Context): ApiToken[] {
  return state.apiTokens.all().filter(({ owner }) => manager.tenant_id === null || owner === manager.username);
}

/** The token itself is shown once, when it is made. */
function showToken({ id, public_id, token: _, ...shown }: ApiToken) {
  return { id, public_id, ...shown, archived: false };
}

function createToken(context: Context): Answer {
  const { state, manager, clock } = context;
  const { owner = manager.username, name, expiry_date: expiry } = context.body;
  if (typeof name !== 'string') throw fieldError('name', 'This field is required.');
  const of = state.managers.find(({ username }) => username === owner);
  if (of === undefined) throw fieldError('owner', 'Unknown user.');
  if (manager.tenant_id !== null && of.id !== manager.id) throw forbidden();
  const life = typeof expiry === 'string' ? parseExpiry(expiry) : undefined;
  if (expiry !== undefined && expiry !== null && life === undefined) throw fieldError('expiry_date', 'Wrong format.');
  const active = state.apiTokens.all().filter((each) => each.owner === of.username && !each.revoked);
  if (active.length >= of.max_api_tokens) throw listError('Maximum number of API tokens reached', 503);
  const row = state.apiTokens.add((id) => ({
    id,
    public_id: randomUUID(),
    token: randomBytes(32).toString('base64url'),
    name,
    owner: of.username,
    created: context.now,
    expiry_date: life === undefined ? null : new Date(clock() + life).toISOString(),
    last_used: null,
    revoked: false,
    revocation_time: null,
  }));
  return { status: 201, body: { id: row.id, token: row.token } };
}

function revokeToken(context: Context, ids: Readonly<Record<string, number>>): Answer {
  const row = ownTokens(context).find(({ id }) => id === ids['id']);
  if (row === undefined) throw notFound();
  const revoked = context.state.apiTokens.replace({ ...row, revoked: true, revocation_time: context.now });
  return { status: 200, body: showToken(revoked) };
}
