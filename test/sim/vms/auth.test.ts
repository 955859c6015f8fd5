import t from 'tap';
import { ADMIN, api, basic, cluster, expectStatus, TENANT_ADMIN } from '../support.ts';

const bearer = (token: unknown) => ({ headers: { authorization: `Bearer ${token}` } });
const EXPIRED = { detail: 'Token is invalid or expired', code: 'token_not_valid' };

t.test('tokens: a dummy is refused as VAST does, a real one lives as long as the settings say', async (t) => {
  let now = Date.parse('2026-11-21T10:00:00Z');
  const sim = await cluster(t, { clock: () => now });
  t.match(await api(sim, 'GET', '/versions/', undefined, bearer('#')), { status: 403, body: EXPIRED });
  const bare = { headers: { authorization: 'Bearer' } };
  t.match(await api(sim, 'GET', '/versions/', undefined, bare), { status: 403, body: EXPIRED });
  t.match(await api(sim, 'GET', '/versions/', undefined, { headers: {} }), { status: 401 });
  t.match(await api(sim, 'POST', '/token/', { ...ADMIN, password: 'no' }, { headers: {} }), { status: 401 });
  t.match(await api(sim, 'POST', '/token/', {}, { headers: {} }), { status: 400, body: { username: [String] } });

  const pair = await expectStatus(t, api(sim, 'POST', '/token/', ADMIN, { headers: {} }), 200);
  await expectStatus(t, api(sim, 'GET', '/versions/', undefined, bearer(pair['access'])), 200);
  t.match(
    await api(sim, 'GET', '/versions/', undefined, bearer(pair['refresh'])),
    { status: 403 },
    'refresh is no access',
  );
  now += 3_600_001;
  t.match(await api(sim, 'GET', '/versions/', undefined, bearer(pair['access'])), { status: 403, body: EXPIRED });
  sim.faults.apply({ modes: { expiredStatus: 401 } });
  t.match(await api(sim, 'GET', '/versions/', undefined, bearer(pair['access'])), { status: 401, body: EXPIRED });
  const next = await expectStatus(t, api(sim, 'POST', '/token/refresh/', pair, { headers: {} }), 200);
  await expectStatus(t, api(sim, 'GET', '/versions/', undefined, bearer(next['access'])), 200);
  await sim.act({ do: 'expire-tokens' });
  t.match(await api(sim, 'GET', '/versions/', undefined, bearer(next['access'])), { status: 401 });
  t.match(await api(sim, 'POST', '/token/refresh/', next, { headers: {} }), { status: 401, body: EXPIRED });

  await sim.act({ do: 'token-lifetime', access: '1 00:00:00' });
  t.match((await api(sim, 'GET', '/vms/1/')).body, { access_token_lifetime: '1 00:00:00' });
  await t.rejects(sim.act({ do: 'token-lifetime', refresh: 'long' }), { name: 'ZodError' });
  await expectStatus(t, api(sim, 'PATCH', '/vms/1/', { access_token_lifetime: '5' }), 200);
  t.match(await api(sim, 'PATCH', '/vms/1/', { access_token_lifetime: 'soon' }), { status: 400 });
  const short = await expectStatus(t, api(sim, 'POST', '/token/', ADMIN, { headers: {} }), 200);
  now += 5001;
  t.match(await api(sim, 'GET', '/versions/', undefined, bearer(short['access'])), { status: 401 });
  const [header, , signature] = String(short['access']).split('.');
  const forged = Buffer.from(JSON.stringify({ token_type: 'access', exp: 9e9, username: 'admin', generation: 2 }));
  const token = `${header}.${forged.toString('base64url')}.${signature}`;
  t.match(await api(sim, 'GET', '/versions/', undefined, bearer(token)), { status: 401 });
});

t.test('Basic', async (t) => {
  const sim = await cluster(t);
  await expectStatus(t, api(sim, 'GET', '/versions/'), 200);
  for (const wrong of [
    { ...ADMIN, password: 'x' },
    { username: 'nobody', password: 'x' },
  ]) {
    t.match(await api(sim, 'GET', '/versions/', undefined, { headers: basic(wrong) }), { status: 401 });
  }
  t.match(await api(sim, 'GET', '/versions/', undefined, { headers: { authorization: 'Digest x' } }), { status: 401 });
});

t.test('API tokens: shown once, five per user, gone when revoked or expired', async (t) => {
  let now = Date.now();
  const sim = await cluster(t, { clock: () => now });
  const made = await expectStatus(t, api(sim, 'POST', '/apitokens/', { name: 't', expiry_date: '30d' }), 201);
  const headers = { authorization: `Api-Token ${made['token']}` };
  await expectStatus(t, api(sim, 'GET', '/versions/', undefined, { headers }), 200);
  const [row] = (await api(sim, 'GET', '/apitokens/')).body as Record<string, unknown>[];
  t.match(row, { id: made['id'], owner: 'admin', revoked: false, last_used: String, archived: false });
  t.notOk(JSON.stringify(row).includes(String(made['token'])));
  now += 30 * 86_400_000 + 1;
  t.match(await api(sim, 'GET', '/versions/', undefined, { headers }), { status: 403, body: EXPIRED });
  for (let i = 0; i < 4; i += 1) await expectStatus(t, api(sim, 'POST', '/apitokens/', { name: `${i}` }), 201);
  t.match(await api(sim, 'POST', '/apitokens/', { name: '6th' }), { status: 503, body: [/Maximum number/] });
  const id = Number(made['id']) + 1;
  for (const path of [`/apitokens/${id}/revoke`, `/apitokens/${id}/revoke/`]) {
    t.match(await api(sim, 'PATCH', path), { status: 200, body: { revoked: true } });
  }
  t.match(await api(sim, 'PATCH', '/apitokens/99/revoke'), { status: 404 });
  t.match(await api(sim, 'POST', '/apitokens/', { name: 'bad', expiry_date: 'never' }), { status: 400 });
});

t.test('5.2 knows neither API tokens nor X-Tenant-Name', async (t) => {
  const sim = await cluster(t, { release: '5.2' });
  t.match(await api(sim, 'POST', '/apitokens/', { name: 't' }), { status: 404 });
  t.match(await api(sim, 'GET', '/versions/', undefined, { headers: { authorization: 'Api-Token x' } }), {
    status: 401,
  });
  const headers = { ...basic(ADMIN), 'x-tenant-name': 'acme' };
  t.match(await api(sim, 'GET', '/views/', undefined, { headers }), { status: 400 });
});

t.test('an administrator of one tenant sees that tenant, and no VIP pools', async (t) => {
  const sim = await cluster(t);
  const policy = { name: 'p', flavor: 'S3_NATIVE' };
  const ours = await expectStatus(t, api(sim, 'POST', '/viewpolicies/', { ...policy, tenant_id: 2 }), 201);
  await expectStatus(t, api(sim, 'POST', '/views/', { path: '/a', policy_id: 1, create_dir: true }), 201);
  const headers = basic(TENANT_ADMIN);
  const own = { path: '/b', policy_id: ours['id'], create_dir: true };
  const made = await expectStatus(t, api(sim, 'POST', '/views/', own, { headers }), 201);
  t.match(made, { tenant_id: 2, tenant_name: 'acme' });
  const seen = (await api(sim, 'GET', '/views/', undefined, { headers })).body as { path: string }[];
  t.same(
    seen.map(({ path }) => path),
    ['/b'],
  );
  t.match(await api(sim, 'GET', '/views/1/', undefined, { headers }), { status: 404 });
  t.match(await api(sim, 'POST', '/views/', { ...own, path: '/c', tenant_id: 1 }, { headers }), { status: 403 });
  for (const path of ['/vippools/', '/vips/', '/dns/', '/vms/1/']) {
    t.match(await api(sim, 'GET', path, undefined, { headers }), { status: 403, body: { code: 'permission_denied' } });
  }
  t.match(await api(sim, 'GET', '/login/', undefined, { headers }), { body: { user_type: 'TENANT_ADMIN' } });
  t.match(await api(sim, 'POST', '/tenants/', { name: 'x' }, { headers }), { status: 403 });

  const asTenant = { headers: { ...basic(ADMIN), 'x-tenant-name': 'acme' } };
  const narrowed = (await api(sim, 'GET', '/views/', undefined, asTenant)).body as { path: string }[];
  t.same(
    narrowed.map(({ path }) => path),
    ['/b'],
  );
  const other = { headers: { ...headers, 'x-tenant-name': 'default' } };
  t.match(await api(sim, 'GET', '/views/', undefined, other), { status: 403 });
});

t.test('a client certificate of our authority is a login; any other is none', async (t) => {
  const sim = await cluster(t, { plain: false });
  const certificate = await sim.clientCertificate('admin');
  await expectStatus(t, api(sim, 'GET', '/versions/', undefined, { headers: {}, certificate }), 200);
  const unknown = await sim.clientCertificate('nobody');
  t.match(await api(sim, 'GET', '/versions/', undefined, { headers: {}, certificate: unknown }), { status: 401 });
  const foreign = await cluster(t, { plain: false, dir: `${sim.dir}-other` });
  const strange = await foreign.clientCertificate('admin');
  t.match(await api(sim, 'GET', '/versions/', undefined, { headers: {}, certificate: strange }), { status: 401 });
});
