import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { executePlan } from '../../../src/vast/provision/execute.ts';
import { look } from '../../../src/vast/provision/found.ts';
import { type Plan, planProvision } from '../../../src/vast/provision/plan.ts';
import { MadeRecord } from '../../../src/vast/provision/record.ts';
import { executeTeardown, planTeardown } from '../../../src/vast/provision/teardown.ts';
import type { Wanted } from '../../../src/vast/provision/wanted.ts';
import type { NewKey, VmsClient } from '../../../src/vast/vms/client.ts';
import { refusal } from '../../support/refusal.ts';
import { RELEASES, type Release } from '../vms/contract.ts';
import { FakeVms } from '../vms/fake-vms.ts';
import { clientOf } from '../vms/support.ts';

const LSU = { name: 'nbu-one', path: '/vast-ost/nbu-one', data: 's3', versioning: false } as const;
const NFS_LSU = { ...LSU, data: 'nfs' } as const;
const WANTED: Wanted = {
  server: 'prod',
  data: 's3',
  tenant: 'default',
  user: 'vast-ost-prod',
  viewPath: '/vast-ost',
  nfsClients: [],
  abortUploadsDays: 7,
  lsus: [
    LSU,
    { name: 'nbu-two', path: '/vast-ost/nbu-two', data: 's3', quota: 1e13, softQuota: 9e12, versioning: true },
  ],
};
const LOCKED: Wanted = {
  ...WANTED,
  lsus: [{ ...LSU, lock: { mode: 'COMPLIANCE', defaultRetention: '30d' } }],
};

class Site {
  readonly fake: FakeVms;
  readonly client: VmsClient;
  key: NewKey | undefined;
  record: MadeRecord;

  constructor(fake: FakeVms, client: VmsClient, record: MadeRecord) {
    this.fake = fake;
    this.client = client;
    this.record = record;
  }

  static async start(t: Test, release: Release = '5.3'): Promise<Site> {
    const fake = await FakeVms.start(t, release);
    return new Site(fake, clientOf(t, fake, { policy: { retries: 2 } }), await MadeRecord.open());
  }

  async plan(wanted: Wanted): Promise<Plan> {
    return planProvision(wanted, await look(this.client, wanted, this.key?.accessKeyId));
  }

  async make(wanted: Wanted): Promise<Plan> {
    const found = await look(this.client, wanted, this.key?.accessKeyId);
    const plan = planProvision(wanted, found);
    t.same(plan.problems, []);
    const saveKey = async (key: NewKey): Promise<void> => {
      this.key = key;
    };
    await executePlan(this.client, wanted, found, plan.steps, { record: this.record, saveKey });
    return plan;
  }

  async teardown(wanted: Wanted, hasData: [string, boolean | undefined][], force = false) {
    const found = await look(this.client, wanted, this.key?.accessKeyId);
    const plan = planTeardown(wanted, found, this.record.made, new Map(hasData), force);
    await executeTeardown(this.client, plan.remove, {
      record: this.record,
      keyInFile: this.key?.accessKeyId,
      forgetKey: async () => {
        this.key = undefined;
      },
    });
    return plan;
  }

  names(table: string): unknown[] {
    return this.fake.table(table).map(({ name }) => name);
  }
}

const kinds = ({ steps }: Plan): string[] =>
  steps.map(({ action, kind, lsu }) => `${action} ${kind} ${lsu ?? ''}`.trim());

for (const release of RELEASES) {
  t.test(`${release}: made once, then nothing to do, then taken away`, async (t) => {
    const site = await Site.start(t, release);
    const wanted: Wanted = { ...WANTED, lsus: [...LOCKED.lsus, ...WANTED.lsus.slice(1)] };
    const plan = await site.make(wanted);
    t.same(kinds(plan), [
      'create policy',
      'create user',
      'create keys',
      'create view nbu-one',
      'create quota nbu-one',
      'create lifecycle rule nbu-one',
      'create view nbu-two',
      'create quota nbu-two',
      'create lifecycle rule nbu-two',
    ]);
    const [one, two] = site.fake.table('views');
    const lock =
      release === '5.0'
        ? { s3_locks: true, s3_locks_retention_period: '30d' }
        : { locking: true, default_retention_period: '30d' };
    t.match(one, {
      bucket: 'nbu-one',
      bucket_owner: 'vast-ost-prod',
      protocols: ['S3'],
      create_dir: true,
      tenant_id: 1,
    });
    t.match(one, { s3_versioning: true, s3_locks_retention_mode: 'COMPLIANCE', ...lock });
    t.match(two, { path: '/vast-ost/nbu-two', s3_versioning: true, policy_id: site.fake.table('viewpolicies')[1]?.id });
    t.notHas(two, { s3_locks_retention_mode: 'COMPLIANCE' }, 'no lock that nobody asked for');
    t.match(site.fake.table('quotas')[1], { path: '/vast-ost/nbu-two', hard_limit: 1e13, soft_limit: 9e12 });
    t.match(site.fake.table('s3lifecyclerules')[0], {
      view_id: one?.id,
      enabled: true,
      abort_mpu_days_after_initiation: 7,
    });
    t.equal(
      site.fake.table('users')[0]?.['local_provider_id'],
      ['5.3', '5.4', '5.5'].includes(release) ? 7 : undefined,
    );
    t.ok(site.key?.secretAccessKey);

    t.same(kinds(await site.make(wanted)), [], 'nothing to do');
    await site.teardown(wanted, [
      ['nbu-one', false],
      ['nbu-two', false],
    ]);
    for (const table of ['views', 'quotas', 's3lifecyclerules', 'users']) t.same(site.names(table), [], table);
    t.same(site.names('viewpolicies'), ['s3_default_policy'], 'what others made stays');
    t.same(site.record.made, []);
    t.equal(site.key, undefined);
    t.same(site.fake.complaints, []);
  });
}

t.test('what drifted is put right, and only that', async (t) => {
  const site = await Site.start(t);
  await site.make(WANTED);
  const { fake } = site;
  Object.assign(fake.table('quotas')[1] ?? {}, { hard_limit: 5 });
  Object.assign(fake.table('s3lifecyclerules')[0] ?? {}, { enabled: false });
  Object.assign(fake.table('views')[0] ?? {}, { protocols: ['NFS', 'S3'], note: 'of the administrator' });
  const plan = await site.make({ ...WANTED, lsus: [{ ...LSU, versioning: true }, ...WANTED.lsus.slice(1)] });
  t.same(kinds(plan), ['change view nbu-one', 'change lifecycle rule nbu-one', 'change quota nbu-two']);
  t.same(plan.steps[0]?.fields, { s3_versioning: true });
  t.match(fake.table('views')[0], { protocols: ['NFS', 'S3'], s3_versioning: true });
  t.equal(fake.table('quotas')[1]?.['hard_limit'], 1e13);
});

t.test('what stands in the way is said before anything is done', async (t) => {
  const site = await Site.start(t);
  const { fake } = site;
  fake.table('views').push({ id: 50, path: '/elsewhere', bucket: 'nbu-one', tenant_id: 9 });
  fake.table('users').push({ id: 60, name: 'vast-ost-prod', access_keys: [{ access_key: 'A' }, { access_key: 'B' }] });
  const { problems } = await site.plan({ ...WANTED, policy: 'none' });
  t.match(problems, [
    /no view policy none/,
    /has 2 access keys/,
    /nbu-one: the bucket is there already, at \/elsewhere/,
  ]);
  site.key = { accessKeyId: 'C', secretAccessKey: '' };
  t.match((await site.plan(WANTED)).problems[0], /a key that is not one of the user/);
  t.match((await site.plan({ ...WANTED, lsus: [] })).problems.join(), /no LSU is wanted/);
  t.same(
    fake.log.filter((line) => !line.startsWith('GET')),
    [],
  );

  const old = await Site.start(t, '5.0');
  const bounded: Wanted = {
    ...WANTED,
    lsus: [{ ...LSU, versioning: true, lock: { mode: 'GOVERNANCE', minRetention: '1d' } }],
  };
  t.match((await old.plan(bounded)).problems, [/need VAST 5.1/]);
});

t.test('NFS: a mounted directory with the LSUs below it', async (t) => {
  const site = await Site.start(t);
  const wanted: Wanted = { ...WANTED, data: 'nfs', nfsClients: ['10.1.0.0/16'], lsus: [NFS_LSU] };
  t.same(kinds(await site.make(wanted)), [
    'create policy',
    'create view',
    'create view nbu-one',
    'create quota nbu-one',
  ]);
  t.match(site.fake.table('viewpolicies')[1], {
    flavor: 'NFS',
    nfs_no_squash: ['10.1.0.0/16'],
    nfs_read_write: ['10.1.0.0/16'],
  });
  t.match(site.fake.table('views'), [{ path: '/vast-ost' }, { path: '/vast-ost/nbu-one', protocols: ['NFS', 'NFS4'] }]);
  t.same(kinds(await site.make(wanted)), []);
  t.same(kinds(await site.make({ ...wanted, nfsClients: ['10.2.0.1'] })), ['change policy']);
  const { problems } = await site.plan({ ...wanted, nfsClients: [], lsus: [{ ...NFS_LSU, path: '/other' }] });
  t.match(problems, [/nobody may mount/, /its path must be \/vast-ost\/nbu-one/]);
});

t.test('LSUs of both data paths side by side', async (t) => {
  const site = await Site.start(t);
  const files = {
    name: 'nbu-files',
    path: '/elsewhere/nbu-files',
    data: 'nfs',
    quota: 1e12,
    versioning: false,
  } as const;
  const wanted: Wanted = { ...WANTED, nfsClients: ['10.1.0.0/16'], lsus: [LSU, files] };
  t.same(kinds(await site.make(wanted)), [
    'create policy',
    'create policy',
    'create user',
    'create keys',
    'create view nbu-one',
    'create quota nbu-one',
    'create lifecycle rule nbu-one',
    'create view nbu-files',
    'create quota nbu-files',
  ]);
  const [, s3, nfs] = site.fake.table('viewpolicies');
  t.match(s3, { name: 'vast-ost-prod', flavor: 'S3_NATIVE' });
  t.notHas(s3, { nfs_read_write: ['10.1.0.0/16'] });
  t.match(nfs, { name: 'vast-ost.nfs-prod', flavor: 'NFS', nfs_read_write: ['10.1.0.0/16'] });
  const [one, two] = site.fake.table('views');
  t.match(one, { bucket: 'nbu-one', protocols: ['S3'], policy_id: s3?.id });
  t.match(two, { path: '/elsewhere/nbu-files', protocols: ['NFS', 'NFS4'], policy_id: nfs?.id });
  t.notHas(two, { bucket: 'nbu-files' });
  t.same(kinds(await site.make(wanted)), [], 'nothing to do');
  t.same(kinds(await site.make({ ...wanted, nfsClients: ['10.2.0.1'] })), ['change policy']);

  const lock = { mode: 'GOVERNANCE' } as const;
  const { problems } = await site.plan({ ...wanted, nfsClients: [], lsus: [{ ...files, lock }], policy: 'mine' });
  t.match(problems, [/no view policy mine/, /nobody may mount/, /object lock needs data = s3/]);
  const both: [string, boolean][] = [
    ['nbu-one', false],
    ['nbu-files', false],
  ];
  await site.teardown(wanted, both);
  t.same(site.names('views'), []);
  t.same(site.names('viewpolicies'), ['s3_default_policy']);
  t.same(site.record.made, []);
});

t.test('a tenant that is not there is made; its administrator makes none', async (t) => {
  const site = await Site.start(t);
  const wanted: Wanted = { ...WANTED, tenant: 'blue' };
  site.fake.table('views').push({ id: 51, path: LSU.path, bucket: 'other', tenant_id: 1 });
  const plan = await site.make(wanted);
  t.equal(kinds(plan)[0], 'create tenant');
  const tenant = site.fake.table('tenants')[1];
  t.match(site.fake.table('views')[1] ?? {}, { tenant_id: tenant?.id }, 'not the one of the other tenant');

  const bounded = await Site.start(t);
  bounded.fake.intercept = ({ pathname }) =>
    pathname.endsWith('/tenants/') ? { status: 403, body: { detail: 'permission_denied' } } : undefined;
  t.equal(kinds(await bounded.make(wanted))[0], 'create policy');
  t.equal(bounded.fake.table('views')[0]?.['tenant_id'], undefined, 'the header says which tenant');
});

t.test('answers that are lost half-way', async (t) => {
  const site = await Site.start(t);
  const { fake } = site;
  let lost = 0;
  // Every POST for a row is carried out, and its answer is lost.
  fake.intercept = async (request) => {
    const { method, pathname, headers, body } = request;
    const name = pathname.split('/')[3] ?? '';
    if (method !== 'POST' || ['token', 'users'].includes(name) || headers['x-again'] !== undefined) return undefined;
    lost += 1;
    fake.table(name).push({ id: 1000 + lost, ...body });
    return { reset: true };
  };
  await site.make(WANTED);
  t.equal(lost, 7);
  fake.intercept = () => undefined;
  t.same(kinds(await site.make(WANTED)), [], 'everything is there, once');
  t.equal(site.record.made.length, 9, 'and known as ours');

  const broken = await Site.start(t);
  broken.fake.intercept = ({ method, pathname }) =>
    method === 'POST' && pathname.endsWith('quotas/') ? { status: 400, body: ['no'] } : undefined;
  await t.rejects(broken.make(WANTED), refusal('usage'));
  broken.fake.intercept = () => undefined;
  t.equal(kinds(await broken.make(WANTED))[0], 'create quota nbu-one', 'the next run goes on from there');
});

t.test('a key that cannot be kept is taken back', async (t) => {
  const site = await Site.start(t);
  const found = await look(site.client, WANTED, undefined);
  const { steps } = planProvision(WANTED, found);
  const saveKey = async (): Promise<void> => {
    throw new Error('disk full');
  };
  await t.rejects(executePlan(site.client, WANTED, found, steps, { record: site.record, saveKey }), {
    message: 'disk full',
  });
  t.same(site.fake.table('users')[0]?.['access_keys'], []);
});

t.test('teardown takes no data, no renamed things and no strangers', async (t) => {
  const site = await Site.start(t);
  await site.make(WANTED);
  const { fake } = site;
  const both: [string, boolean | undefined][] = [
    ['nbu-one', true],
    ['nbu-two', undefined],
  ];
  const plan = await site.teardown(WANTED, both);
  t.same(plan.remove, [], 'an LSU of which nothing is known counts as full');
  t.match(plan.keep[0]?.why, /holds data; --force/);
  t.equal(plan.keep.length, 9);

  both[1] = ['nbu-two', false];
  Object.assign(fake.table('quotas')[1] ?? {}, { used_capacity: 10 });
  t.same((await site.teardown(WANTED, both)).remove, [], 'old versions are in the figures only');
  Object.assign(fake.table('quotas')[1] ?? {}, { used_capacity: 0 });
  await site.teardown(WANTED, both);
  t.same(site.names('views'), ['vast-ost-prod-nbu-one']);
  t.same(site.names('users'), ['vast-ost-prod'], 'the other LSU needs it');

  Object.assign(fake.table('views')[0] ?? {}, { name: 'somebody else’s now' });
  const [user] = fake.table('users');
  Object.assign(user ?? {}, { access_keys: [{ access_key: site.key?.accessKeyId }, { access_key: 'STRANGER' }] });
  const forced = await site.teardown(WANTED, both, true);
  t.match(
    forced.keep.map(({ why }) => why),
    [/is called/, /not ours/],
  );
  t.same(site.names('viewpolicies'), ['s3_default_policy']);
});

t.test('versions without a lock, which some releases refuse', async (t) => {
  const site = await Site.start(t);
  site.fake.intercept = ({ method, body }) =>
    method !== 'GET' && body?.['s3_versioning'] === true
      ? { status: 400, body: { locking: ['Must be true'] } }
      : undefined;
  await t.rejects(site.make(WANTED), refusal('usage', { advice: /set object_lock/ }));
});

t.test('the record is on disk', async (t) => {
  const path = join(t.testdir({ bad: '{}' }), 'record');
  const record = await MadeRecord.open(path);
  const thing = { kind: 'view', name: '/a', id: 4, lsu: 'a' } as const;
  await record.add({ kind: 'user', name: 'u', id: 3 });
  await record.add(thing);
  const again = await MadeRecord.open(path);
  t.strictSame(again.made, [{ kind: 'user', name: 'u', id: 3 }, thing]);
  await record.remove(thing);
  t.match(readFileSync(path, 'utf8'), /"made":\[\{"kind":"user","name":"u","id":3\}\]/);
  await t.rejects(MadeRecord.open(path.replace(/record$/, 'bad')), refusal('usage', { code: 'VOST_PROVISION_RECORD' }));
});
