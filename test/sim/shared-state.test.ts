/** VMS and S3 are two sides of one state: what is done on one shows on the other, also after a restart. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { SimState } from '../../src/sim/s3/state/sim-state.ts';
import { codeOf, statusOf } from './s3/support.ts';
import { api, cluster, expectStatus, provision, s3 } from './support.ts';

t.test('a bucket exists while an S3 view does, and outlives it as a directory', async (t) => {
  const sim = await cluster(t);
  const owner = await provision(t, sim, 'bucket-a');
  const client = s3(t, sim, owner);
  await client.send(new PutObjectCommand({ Bucket: 'bucket-a', Key: 'k', Body: 'data' }));
  const view = await expectStatus(t, api(sim, 'GET', `/views/${owner.view['id']}/`), 200);
  t.match(view, { logical_capacity: 4, physical_capacity: 32_768 });

  await expectStatus(t, api(sim, 'DELETE', `/views/${owner.view['id']}/`), 204);
  t.equal(await codeOf(client.send(new PutObjectCommand({ Bucket: 'bucket-a', Key: 'k', Body: 'x' }))), 'NoSuchBucket');
  const again = {
    path: '/nbu/bucket-a',
    policy_id: 2,
    protocols: ['S3'],
    bucket: 'renamed',
    bucket_owner: 'u-bucket-a',
  };
  await expectStatus(t, api(sim, 'POST', '/views/', again), 201);
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'renamed', Key: 'k' }));
  t.equal(await Body?.transformToString(), 'data', 'the view was deleted, its data were not');
  t.match(await api(sim, 'POST', '/views/', again), { status: 400, body: [/already exists/] });

  const gone = { path: '/nbu/bucket-a', tenant_id: 1 };
  await expectStatus(t, api(sim, 'DELETE', '/folders/delete_folder/', gone), 200);
  t.equal(await codeOf(client.send(new PutObjectCommand({ Bucket: 'renamed', Key: 'k', Body: 'x' }))), 'NoSuchBucket');
  t.match(await api(sim, 'DELETE', '/folders/delete_folder/', gone), { status: 400, body: ['no such directory'] });
});

t.test('a bucket made through S3 is a view', async (t) => {
  const sim = await cluster(t);
  const client = s3(t, sim);
  await client.send(new CreateBucketCommand({ Bucket: 'by-s3' }));
  const found = (await api(sim, 'GET', '/views/?bucket=by-s3')).body as Record<string, unknown>[];
  t.match(found, [{ path: '/by-s3', protocols: ['S3'], policy: 's3_default_policy', bucket_owner: 'sim' }]);
  t.equal(await codeOf(client.send(new CreateBucketCommand({ Bucket: 'by-s3' }))), 'BucketAlreadyOwnedByYou');
  await client.send(new DeleteBucketCommand({ Bucket: 'by-s3' }));
  t.same((await api(sim, 'GET', '/views/?bucket=by-s3')).body, []);
});

t.test('keys: made, disabled, deleted; two per user; for the buckets of their owner and tenant', async (t) => {
  const sim = await cluster(t);
  const a = await provision(t, sim, 'bucket-a');
  const b = await provision(t, sim, 'bucket-b');
  const path = `/users/${a.user['id']}/access_keys/`;
  const client = s3(t, sim, a);
  const head = (Bucket: string, by = client) => statusOf(by.send(new HeadBucketCommand({ Bucket })));
  t.equal(await head('bucket-a'), 0);
  t.equal(await head('bucket-b'), 403);
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
  t.same(
    Buckets.map(({ Name }) => Name),
    ['bucket-a'],
  );
  t.equal(await codeOf(client.send(new CreateBucketCommand({ Bucket: 'mine' }))), 'AccessDenied');
  t.equal(await codeOf(client.send(new CreateBucketCommand({ Bucket: 'bucket-b' }))), 'AccessDenied');
  await expectStatus(t, api(sim, 'PATCH', `/users/${a.user['id']}/`, { allow_create_bucket: true }), 200);
  t.equal(await codeOf(client.send(new CreateBucketCommand({ Bucket: 'bucket-b' }))), 'BucketAlreadyExists');

  const second = await expectStatus(t, api(sim, 'POST', path, { tenant_id: 1 }), 200);
  t.match(await api(sim, 'POST', path, { tenant_id: 1 }), { status: 400 }, 'two key pairs are the most');
  await expectStatus(t, api(sim, 'DELETE', path, { access_key: a.keys.access_key }), 204);
  t.equal(await head('bucket-a'), 403);
  const rotated = s3(t, sim, { keys: second as typeof a.keys });
  t.equal(await head('bucket-a', rotated), 0);
  await expectStatus(t, api(sim, 'PATCH', path, { access_key: second['access_key'], enabled: false }), 204);
  t.equal(await head('bucket-a', rotated), 403);
  const shown = await api(sim, 'GET', `/users/${a.user['id']}/`);
  t.match(shown.body, { access_keys: [{ access_key: second['access_key'], enabled: false, tenant_id: 1 }] });
  t.notOk(shown.text.includes(String(second['secret_key'])), 'the secret is told once');

  const foreign = await expectStatus(t, api(sim, 'POST', path, { tenant_id: 2 }), 200);
  t.equal(await head('bucket-a', s3(t, sim, { keys: foreign as typeof a.keys })), 403, 'a key belongs to one tenant');
  t.match(await api(sim, 'DELETE', `/users/${b.user['id']}/`), { status: 409 });
});

t.test('a VIP pool of one tenant refuses the keys of others', async (t) => {
  const sim = await cluster(t, { vips: 2 });
  const { keys } = await provision(t, sim, 'bucket-a');
  const [one] = sim.urls;
  await expectStatus(t, api(sim, 'PATCH', '/vippools/1/', { ip_ranges: [['127.0.1.2', '127.0.1.2']] }), 200);
  const pool = { name: 'acme', ip_ranges: [['127.0.1.1', '127.0.1.1']], subnet_cidr: 24, tenant_id: 2 };
  await expectStatus(t, api(sim, 'POST', '/vippools/', pool), 201);
  const head = (url: string | undefined) =>
    statusOf(s3(t, sim, { keys, url: url ?? '' }).send(new HeadBucketCommand({ Bucket: 'bucket-a' })));
  t.equal(await head(one), 403);
  t.equal(await head(sim.urls[1]), 0);
});

t.test('quotas: a full one stops writes, says so to VMS, and opens again', async (t) => {
  let now = Date.now();
  const sim = await cluster(t, { clock: () => now });
  const owner = await provision(t, sim, 'bucket-a');
  const client = s3(t, sim, owner);
  const limits = { hard_limit: 100_000, soft_limit: 40_000, grace_period: '10m' };
  const quota = await expectStatus(
    t,
    api(sim, 'POST', '/quotas/', { name: 'q', path: '/nbu/bucket-a', ...limits }),
    201,
  );
  const show = async () => (await api(sim, 'GET', `/quotas/${quota['id']}/`)).body;
  const put = (Key: string, bytes: number) =>
    codeOf(client.send(new PutObjectCommand({ Bucket: 'bucket-a', Key, Body: Buffer.alloc(bytes) })));
  t.equal(await put('a', 1), 'none');
  t.match(await show(), { used_capacity: 1, used_effective_capacity: 32_768, percent_capacity: 32, state: 'OK' });
  t.equal(await put('b', 30_000), 'none');
  t.match(await show(), { state: 'SOFT_EXCEEDED' });
  t.equal(await put('c', 40_000), 'InsufficientCapacity');
  sim.faults.apply({ modes: { quotaFull: '403' } });
  t.equal(await put('c', 40_000), 'QuotaExceeded');
  t.equal(sim.log.entries().filter(({ event }) => event === 'quota-full').length, 2);
  now += 600_001;
  t.match(await show(), { state: 'GRACE_EXPIRED' });
  t.equal(await put('c', 1), 'QuotaExceeded');
  await client.send(new DeleteObjectCommand({ Bucket: 'bucket-a', Key: 'b' }));
  t.match(await show(), { state: 'OK' });
  t.equal(await put('c', 1), 'none');
  await expectStatus(t, api(sim, 'PATCH', `/quotas/${quota['id']}/`, { hard_limit: 65_536, soft_limit: null }), 200);
  t.match(await show(), { state: 'HARD_EXCEEDED', percent_capacity: 100 });
  t.match(await api(sim, 'PATCH', `/quotas/${quota['id']}/`, { soft_limit: 70_000 }), {
    status: 400,
    body: { detail: String },
  });
  await expectStatus(t, api(sim, 'PATCH', `/quotas/${quota['id']}/`, { hard_limit: 1e9 }), 200);
  sim.faults.apply({ modes: { fullPaths: ['/nbu/bucket-a'] } });
  t.match(await show(), { state: 'HARD_EXCEEDED', used_effective_capacity: 1e9 });
  t.equal(await put('d', 1), 'QuotaExceeded');
  t.match(await api(sim, 'GET', '/clusters/1/'), { body: { quotas_allocated_capacity: 1e9, logical_space_in_use: 2 } });
});

t.test('snapshots keep what there was; clones show it', async (t) => {
  const sim = await cluster(t);
  const owner = await provision(t, sim, 'bucket-a');
  const client = s3(t, sim, owner);
  const put = (Body: string) => client.send(new PutObjectCommand({ Bucket: 'bucket-a', Key: 'k', Body }));
  await put('old');
  const body = { name: 's1', path: '/nbu/bucket-a/', tenant_id: 1 };
  const snapshot = await expectStatus(t, api(sim, 'POST', '/snapshots/', body), 201);
  t.match(snapshot, { path: '/nbu/bucket-a/', state: 'READY' });
  await put('new');
  sim.faults.apply({ modes: { taskMs: 0 } });
  const made = { name: 'c1', loanee_root_path: '/nbu/clone', enabled: true, loanee_tenant_id: 1 };
  const clone = await expectStatus(t, api(sim, 'POST', `/snapshots/${snapshot['id']}/clone/`, made), 200);
  t.match(clone, { state: 'Completed', status: { state: 'FINISHED' }, async_task: { id: Number } });
  const view = { path: '/nbu/clone', policy_id: 2, protocols: ['S3'], bucket: 'clone', bucket_owner: 'u-bucket-a' };
  await expectStatus(t, api(sim, 'POST', '/views/', view), 201);
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'clone', Key: 'k' }));
  t.equal(await Body?.transformToString(), 'old');
  await expectStatus(t, api(sim, 'DELETE', `/snapshots/${snapshot['id']}/`), 204);
  await expectStatus(t, api(sim, 'DELETE', `/globalsnapstreams/${clone['id']}/`, { remove_dir: true }), 200);
  t.same((await api(sim, 'GET', '/snapshots/')).body, []);
});

t.test('a restart changes nothing; secrets are for the owner alone', async (t) => {
  const dir = t.testdir({});
  const first = await cluster(t, { dir, plain: false });
  const owner = await provision(t, first, 'bucket-a');
  await s3(t, first, owner).send(new PutObjectCommand({ Bucket: 'bucket-a', Key: 'k', Body: 'data' }));
  const [views, users] = [await api(first, 'GET', '/views/'), await api(first, 'GET', '/users/')];
  const token = (await api(first, 'POST', '/token/', { username: 'admin', password: 'pass:word' })).body as {
    access: string;
  };
  const ca = first.ca?.cert;
  await first.close();
  for (const name of ['cluster.json', 'credentials.json', 'ca-key.pem', 'client.pem']) {
    t.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  }
  const second = await cluster(t, { dir, plain: false });
  t.equal(second.ca?.cert, ca);
  t.same(second.credentials, first.credentials);
  const withoutLinks = (text: string) => text.replaceAll(/https:\/\/127\.0\.0\.1:\d+/g, '');
  t.equal(withoutLinks((await api(second, 'GET', '/views/')).text), withoutLinks(views.text));
  t.equal(withoutLinks((await api(second, 'GET', '/users/')).text), withoutLinks(users.text));
  const headers = { authorization: `Bearer ${token.access}` };
  t.match(await api(second, 'GET', '/versions/', undefined, { headers }), { status: 200 }, 'tokens stay good');
  const { Body } = await s3(t, second, owner).send(new GetObjectCommand({ Bucket: 'bucket-a', Key: 'k' }));
  t.equal(await Body?.transformToString(), 'data');
});

t.test('buckets of an older state folder become views', async (t) => {
  const dir = t.testdir({});
  const state = await SimState.open(dir);
  state.createBucket('old-bucket', 0, '');
  await state.close();
  const sim = await cluster(t, { dir });
  await s3(t, sim).send(new PutObjectCommand({ Bucket: 'old-bucket', Key: 'k', Body: 'data' }));
  t.match((await api(sim, 'GET', '/views/')).body, [{ path: '/old-bucket', bucket: 'old-bucket' }]);
});

t.test('a damaged state file is VOST_SIM_STATE, and its secrets are not told', async (t) => {
  const dir = t.testdir({});
  await (await cluster(t, { dir })).close();
  const file = join(dir, 'cluster.json');
  const whole = readFileSync(file, 'utf8');
  for (const damaged of [whole.slice(0, -10), whole.replace('"layout":1', '"layout":9'), 'pass:word']) {
    writeFileSync(file, damaged);
    const error = await cluster(t, { dir }).catch((reason: unknown) => reason);
    t.match(error, { code: 'VOST_SIM_STATE', failure: 'integrity' });
    t.notMatch(JSON.stringify([error, String(error), (error as Error).cause]), /pass:word/);
  }
});
