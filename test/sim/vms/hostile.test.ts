/** Whatever a client sends, VMS answers with a status of its own choice: 500 would be a mistake of ours. */
import * as fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Cluster } from '../../../src/sim/cluster.ts';
import { ROUTES } from '../../../src/sim/vms/routes.ts';
import { api, cluster, expectStatus, provision } from '../support.ts';

const VALUES: readonly unknown[] = [null, -1, 'x', [], [null], ['x'], {}];

/** A body for every resource that rows are made of. */
const GOOD: Readonly<Record<string, Record<string, unknown>>> = {
  tenants: { name: 'one' },
  viewpolicies: { name: 'one', flavor: 'S3_NATIVE', vip_pools: [1] },
  users: { name: 'one', uid: 7000, local_provider_id: 1 },
  views: {
    path: '/one',
    policy_id: 2,
    protocols: ['S3'],
    bucket: 'one-bucket',
    bucket_owner: 'u-bucket-a',
    create_dir: true,
  },
  quotas: { name: 'one', path: '/nbu/bucket-a', hard_limit: 1e9, soft_limit: 1e8, grace_period: '1d' },
  vippools: { name: 'one', ip_ranges: [['10.0.0.1', '10.0.0.9']], subnet_cidr: 24 },
  snapshots: { name: 'one', path: '/nbu/bucket-a/', tenant_id: 1 },
  protectionpolicies: { name: 'one', prefix: 'p', clone_type: 'LOCAL', frames: [] },
  protectedpaths: { name: 'one', source_dir: '/a', target_exported_dir: '/b', tenant_id: 1 },
  s3lifecyclerules: { name: 'one', view_id: 1, expiration_days: 3 },
  s3policies: { name: 'one', policy: '{"Statement":[]}' },
  monitors: { name: 'one', object_type: 'cluster', prop_list: ['Capacity,drr'] },
};
/** Bodies of the actions. */
const ACTIONS: readonly [method: string, path: string, body: Record<string, unknown>][] = [
  ['POST', '/token/', { username: 'a', password: 'b' }],
  ['POST', '/token/refresh/', { refresh: 'a.b.c' }],
  ['POST', '/apitokens/', { name: 'a', owner: 'admin', expiry_date: '1d' }],
  ['PATCH', '/vms/1/', { access_token_lifetime: '01:00:00' }],
  ['PATCH', '/vms/1/set_max_api_tokens_per_user/', { max_api_tokens_per_user: 5 }],
  ['POST', '/users/1/access_keys/', { tenant_id: 1 }],
  ['PATCH', '/users/1/access_keys/', { access_key: 'x', enabled: true }],
  ['DELETE', '/users/1/access_keys/', { access_key: 'x' }],
  ['PATCH', '/views/1/legal_hold/', { legal_hold_path: '/x', value: true }],
  ['POST', '/snapshots/1/clone/', { name: 'c', loanee_root_path: '/c', loanee_tenant_id: 1 }],
  ['POST', '/filesystem/clone/', { source_path: '/nbu', dest_path: '/d', tenant_id: 1 }],
  ['POST', '/folders/create_folder/', { path: '/f', tenant_id: 1 }],
  ['POST', '/folders/stat_path/', { path: '/f', tenant_id: 1 }],
  ['DELETE', '/folders/delete_folder/', { path: '/f', tenant_id: 1 }],
];

/** One field after the other is something else. */
async function spoil(
  to: Cluster,
  method: string,
  path: string,
  good: Record<string, unknown>,
  names: readonly string[],
) {
  const failed: string[] = [];
  for (const name of names) {
    for (const value of VALUES) {
      const { status, text } = await api(to, method, path, { ...good, [name]: value });
      if (status >= 500 && status !== 503) failed.push(`${method} ${path} ${name}=${JSON.stringify(value)}: ${text}`);
    }
  }
  return failed;
}

async function allLists(t: Test, to: Cluster): Promise<void> {
  for (const { method, path } of ROUTES) {
    if (method !== 'GET' || path.includes(':') || path.includes('query')) continue;
    const { status, text } = await api(to, 'GET', path);
    t.ok(status < 500, `${path}: ${status} ${text.slice(0, 200)}`);
  }
}

t.test('no body makes VMS fail, now or later', async (t) => {
  const sim = await cluster(t, { release: '5.5' });
  await provision(t, sim, 'bucket-a');
  for (const [name, good] of Object.entries(GOOD)) {
    const path = `/${name}/`;
    const row = await expectStatus(t, api(sim, 'POST', path, good), 201);
    const fields = Object.keys(row);
    t.same(await spoil(sim, 'POST', path, { ...good, name: 'two' }, fields), []);
    t.same(await spoil(sim, 'PATCH', `${path}${row['id']}/`, {}, fields), []);
  }
  for (const [method, path, good] of ACTIONS) t.same(await spoil(sim, method, path, good, Object.keys(good)), []);
  await allLists(t, sim);
});

t.test('no query makes VMS fail', async (t) => {
  const sim = await cluster(t);
  await provision(t, sim, 'bucket-a');
  const name = fc.constantFrom(
    ...['page', 'page_size', 'ordering', 'fields', 'id__gte', '__in', 'path', 'tenant_id', 'type', 'uid', 'username'],
    ...['object_type', 'prop_list', 'time_frame', 'name__contains', 'policy__name', '__proto__', 'constructor'],
  );
  const value = fc.oneof(fc.constantFrom('', '-', '0', '-1', '1', '9e9', '/', ',', 'Capacity,drr', '5m'), fc.string());
  const lists = ROUTES.filter(({ method, path }) => method === 'GET' && !path.includes(':')).map(({ path }) => path);
  const request = fc.tuple(fc.constantFrom(...lists), fc.array(fc.tuple(name, value), { maxLength: 4 }));
  await fc.assert(
    fc.asyncProperty(request, async ([path, pairs]) => {
      const { status, text } = await api(sim, 'GET', `${path}?${new URLSearchParams(pairs)}`);
      if (status >= 500) throw new Error(text);
    }),
    { numRuns: 300, seed: 42 },
  );
});

t.test('targets that are no path', async (t) => {
  const sim = await cluster(t);
  for (const base of [
    '/%',
    '//',
    '/api//',
    '/api/v5/%2e%2e/',
    '/api/v5/views/1.5/',
    '/api/v5/views/-1/',
    '/\\',
    '/api/v5',
  ]) {
    t.match(await api(sim, 'GET', '', undefined, { base }), { status: 404 }, base);
  }
  t.match(await api(sim, 'OPTIONS', '/views/'), { status: 405 });
});
