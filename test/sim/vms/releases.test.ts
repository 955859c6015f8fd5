/** What each release has and lacks, as the public schemas and clients tell it. */
import t from 'tap';
import { RELEASES } from '../../../src/sim/cluster/release.ts';
import { api, cluster, expectStatus, provision } from '../support.ts';

/** Paths that are not in every release, and the first one that has them. */
const SINCE: [method: string, path: string, since: string][] = [
  ['GET', '/apitokens/', '5.3'],
  ['GET', '/locals3keys/', '5.3'],
  ['POST', '/filesystem/clone/', '5.3'],
  ['GET', '/login/', '5.3'],
  ['POST', '/plugins/usage/', '5.2'],
  ['GET', '/health/', '5.5'],
];
/** Fields of a view, and the releases that have them. */
const LOCK_FIELDS = {
  s3_locks: ['5.0', '5.1', '5.2'],
  s3_locks_retention_period: ['5.0', '5.1', '5.2'],
  s3_locks_retention_mode: [...RELEASES],
  locking: ['5.1', '5.2', '5.3', '5.4', '5.5'],
  default_retention_period: ['5.1', '5.2', '5.3', '5.4', '5.5'],
  is_indestructible_object_enabled: ['5.3', '5.4', '5.5'],
};
const PATH_VERSIONS = { '5.0': 4, '5.1': 5, '5.2': 5, '5.3': 6, '5.4': 6, '5.5': 7 };

for (const release of RELEASES) {
  t.test(`release ${release}`, async (t) => {
    const sim = await cluster(t, { release });
    const newest = PATH_VERSIONS[release];
    const base = `/api/v${newest}`;
    const versions = (await api(sim, 'GET', '/versions/?status=success', undefined, { base })).body;
    t.match(versions, [{ sys_version: new RegExp(`^${release}\\.0-`), status: 'success' }]);
    t.match(await api(sim, 'GET', '/versions/', undefined, { base: `/api/v${newest + 1}` }), { status: 404 });
    const clusters = (await api(sim, 'GET', '/clusters/', undefined, { base: '/api' })).body as { local: boolean }[];
    t.match(
      clusters.filter(({ local }) => local),
      [{ sw_version: new RegExp(`^${release}\\.0\\.1\\.\\d+$`), id: 1 }],
    );
    t.equal(clusters.length, 2, 'a remote peer is listed too');
    for (const [method, path, since] of SINCE) {
      const { status } = await api(sim, method, path, method === 'POST' ? {} : undefined, { base });
      t.equal(status === 404, release < since, `${method} ${path}: ${status}`);
    }
    const user = { name: 'u', ...(release === '5.5' ? { local_provider_id: 1 } : {}) };
    await expectStatus(t, api(sim, 'POST', '/users/', user, { base }), 201);
    const locks = release === '5.0' ? { s3_locks: true } : { locking: true };
    const view = await expectStatus(
      t,
      api(
        sim,
        'POST',
        '/views/',
        {
          path: '/v',
          policy_id: 2,
          protocols: ['S3'],
          bucket: 'bucket',
          bucket_owner: 'u',
          create_dir: true,
          s3_versioning: true,
          ...locks,
        },
        { base },
      ),
      201,
    );
    for (const [field, releases] of Object.entries(LOCK_FIELDS)) {
      t.equal(field in view, (releases as string[]).includes(release), field);
    }
    for (const field of ['s3_versioning', ...Object.keys(locks)]) {
      const off = { [field]: false };
      t.match(await api(sim, 'PATCH', '/views/1/', off, { base }), { status: 400, body: { [field]: [/disabled/] } });
    }
  });
}

t.test('a field of another release is dropped, as Django does, and the log tells', async (t) => {
  const sim = await cluster(t, { release: '5.3' });
  await provision(t, sim, 'bucket-a');
  await expectStatus(t, api(sim, 'PATCH', '/views/1/', { s3_locks: true }), 200);
  t.notMatch((await api(sim, 'GET', '/views/1/')).text, /s3_locks"/);
  const entries = sim.log.entries().filter(({ event }) => event === 'unknown-field');
  t.match(entries, [{ where: 'vms', resource: 'views', fields: ['s3_locks'] }]);
});

t.test('5.5 wants to know the provider of a user', async (t) => {
  const sim = await cluster(t, { release: '5.5' });
  const error = { status: 400, body: { local_provider_id: ['This field is required.'] } };
  t.match(await api(sim, 'POST', '/users/', { name: 'u' }), error);
});
