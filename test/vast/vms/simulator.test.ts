import t from 'tap';
import { RELEASES } from '../../../src/sim/cluster/release.ts';
import { executePlan } from '../../../src/vast/provision/execute.ts';
import { look } from '../../../src/vast/provision/found.ts';
import { planProvision } from '../../../src/vast/provision/plan.ts';
import { MadeRecord } from '../../../src/vast/provision/record.ts';
import { executeTeardown, planTeardown } from '../../../src/vast/provision/teardown.ts';
import type { Wanted } from '../../../src/vast/provision/wanted.ts';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import { type NewKey, VmsClient } from '../../../src/vast/vms/client.ts';
import { readFacts, spaceOf } from '../../../src/vast/vms/facts.ts';
import { ADMIN, cluster as startSim, TENANT_ADMIN } from '../../sim/support.ts';
import { refusal } from '../../support/refusal.ts';

const login = ({ username: user, password }: { username: string; password: string }) => ({
  credentials: async () => ({ kind: 'password', user, password }) as const,
});

for (const release of RELEASES) {
  t.test(`the simulated ${release}: all resources, provisioning, capacity, teardown`, async (t) => {
    const sim = await startSim(t, { release });
    const client = new VmsClient({ origin: new URL(sim.vmsUrl), ...login(ADMIN), policy: { baseMs: 1, retries: 3 } });
    t.teardown(() => client.close());
    const { version, can } = await client.release();
    t.ok(`${version.major}.${version.minor}`.startsWith(release.slice(0, 3)), release);
    t.ok((await client.cluster()).logical_space);
    for (const collection of Object.values(client)) if (typeof collection?.list === 'function') await collection.list();
    t.ok((await client.vips('main')).length > 0);

    const wanted: Wanted = {
      server: 'prod',
      data: 's3',
      tenant: 'default',
      user: 'vast-ost-prod',
      viewPath: '/vast-ost',
      nfsClients: [],
      abortUploadsDays: 7,
      lsus: [
        { name: 'nbu-one', path: '/vast-ost/nbu-one', data: 's3', versioning: false, quota: 1e9 },
        { name: 'nbu-two', path: '/vast-ost/nbu-two', data: 's3', versioning: true, lock: { mode: 'GOVERNANCE' } },
      ],
    };
    const record = await MadeRecord.open();
    let key: NewKey | undefined;
    const saveKey = async (made: NewKey): Promise<void> => {
      key = made;
    };
    const found = await look(client, wanted, undefined);
    const { steps, problems } = planProvision(wanted, found);
    t.same(problems, []);
    await executePlan(client, wanted, found, steps, { record, saveKey });
    const again = await look(client, wanted, key?.accessKeyId);
    t.same(planProvision(wanted, again), { steps: [], problems: [] });

    const { accessKeyId = '', secretAccessKey = '' } = key ?? {};
    const storage = new S3Storage(new URL(sim.urls[0] ?? ''), { credentials: { accessKeyId, secretAccessKey } });
    t.teardown(() => storage.close());
    const store = await storage.open('nbu-one');
    await store.put('netbackup/x', [Buffer.alloc(100_000)]);
    const space = spaceOf(await readFacts(client), { bucket: 'nbu-one' });
    t.equal(space.total, 1e9);
    t.ok((space.used ?? 0) >= 100_000, `${space.used} bytes in use`);

    const now = await look(client, wanted, accessKeyId);
    const full = planTeardown(wanted, now, record.made, new Map([['nbu-one', true]]), false);
    t.ok(full.keep.length > 0);
    await store.delete(['netbackup/x']);
    const emptied = planTeardown(wanted, await look(client, wanted, accessKeyId), record.made, new Map(), true);
    t.same(emptied.keep, []);
    await executeTeardown(client, emptied.remove, { record, keyInFile: accessKeyId, forgetKey: async () => undefined });
    const { steps: anew } = planProvision(wanted, await look(client, wanted, undefined));
    t.equal(anew.length, steps.length, 'all gone');
    t.equal(can.apiTokens, version.minor >= 3);
  });
}

t.test('a tenant’s administrator sees no pools; the cluster has bad days', async (t) => {
  const sim = await startSim(t, { release: RELEASES.at(-1) ?? '5.5' });
  const origin = new URL(sim.vmsUrl);
  const keeper = new VmsClient({ origin, ...login(TENANT_ADMIN), tenant: 'acme' });
  t.teardown(() => keeper.close());
  await t.rejects(keeper.vips('main'), refusal('access'));
  t.same((await keeper.views.list()).length, 0);
  const scoped = new VmsClient({ origin, ...login(ADMIN), tenant: 'acme' });
  t.teardown(() => scoped.close());
  t.ok((await scoped.vips('main')).length > 0, 'one who may sees them whatever tenant he works for');

  const client = new VmsClient({ origin, ...login(ADMIN), policy: { baseMs: 1, capMs: 2 } });
  t.teardown(() => client.close());
  await client.release();
  sim.faults.apply({
    rules: [
      { where: 'vms', path: '/quotas/', count: 3, effect: { kind: 'status', status: 503 } },
      { where: 'vms', path: '/views/', count: 1, effect: { kind: 'reset' } },
      { where: 'vms', path: '/tenants/', count: 1, effect: { kind: 'truncate', bytes: 20 } },
    ],
  });
  t.same(await client.quotas.list(), []);
  t.same(await client.views.list(), []);
  t.ok((await client.tenants.list()).length >= 2);
});
