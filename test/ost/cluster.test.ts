import { pino } from 'pino';
import t, { type Test } from 'tap';
import { Aged } from '../../src/ost/aged.ts';
import { capacityOf } from '../../src/ost/capacity.ts';
import { Cluster } from '../../src/ost/cluster.ts';
import { UNKNOWN } from '../../src/ost/wire/kinds.ts';
import { FACT_CALLS, spaceOf } from '../../src/vast/vms/facts.ts';
import { FakeVms } from '../vast/vms/fake-vms.ts';
import { clientOf, VirtualClock } from '../vast/vms/support.ts';

const silent = pino({ level: 'silent' });

/** Only who tests patience has little: a machine may be busy. */
const PATIENT_MS = 60_000;

function site(t: Test, fake: FakeVms, patienceMs = PATIENT_MS) {
  const clock = new VirtualClock();
  const client = clientOf(t, fake, { clock, policy: { retries: 0 } });
  const placeOf = (lsu: string) => ({ bucket: lsu });
  return { clock, client, cluster: new Cluster({ client, placeOf, log: silent, now: clock.now, patienceMs }) };
}

function fill(fake: FakeVms): void {
  fake.table('views').push({ id: 1, path: '/vast-ost/one', bucket: 'one' });
  fake.table('quotas').push({ id: 1, path: '/vast-ost/one', hard_limit: 1000, used_effective_capacity: 100 });
}

t.test('20 processes that poll each second for a minute', async (t) => {
  const fake = await FakeVms.start(t);
  fill(fake);
  const { clock, cluster } = site(t, fake);
  for (let second = 0; second <= 60; second += 1, clock.ms += 1000) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => cluster.space('one')));
    t.ok(answers.every((space) => space?.total === 1000 && space.used === 100));
    await cluster.settled();
  }
  // 1220 polls: one look at the version, one login, and the figures once.
  t.same(fake.log, ['GET versions/', 'GET quotas/', 'GET views/', 'GET clusters/']);
  t.equal(fake.logins, 1);
  await cluster.space('one');
  await cluster.settled();
  t.equal(fake.log.length, 1 + 2 * FACT_CALLS, 'and once more in the next minute');
  t.same(fake.complaints, []);
});

t.test('polls while VMS is away: answered at once, from memory, then not at all', async (t) => {
  const fake = await FakeVms.start(t);
  fill(fake);
  const { clock, cluster } = site(t, fake);
  await cluster.space('one');
  const before = fake.log.length;
  fake.intercept = () => ({ status: 503, body: 'Service temporarily unavailable' });
  for (let second = 0; second < 600; second += 1, clock.ms += 1000) {
    t.equal((await cluster.space('one'))?.total, 1000);
    await cluster.settled();
  }
  const asked = fake.log.length - before;
  t.ok(asked > 0 && asked <= 20, `${asked} requests in ten minutes`);
  clock.ms += 600_000;
  t.equal(await cluster.space('one'), undefined, 'too old to be told');
  t.equal(cluster.spaceNow('one')?.total, 1000);
  fake.intercept = () => undefined;
  await cluster.settled();
  clock.ms += 31_000;
  t.equal((await cluster.space('one'))?.total, 1000);
});

t.test('the first poll does not wait for a slow VMS', async (t) => {
  const fake = await FakeVms.start(t);
  fill(fake);
  const gate = Promise.withResolvers<undefined>();
  fake.intercept = () => gate.promise;
  const { cluster } = site(t, fake, 1);
  cluster.warm();
  t.equal(await cluster.space('one'), undefined);
  gate.resolve(undefined);
  fake.intercept = () => undefined;
  const placeOf = (bucket: string) => ({ bucket });
  const patient = new Cluster({ client: cluster.client, placeOf, log: silent, patienceMs: PATIENT_MS });
  t.equal((await patient.space('one'))?.total, 1000);
});

t.test('capacity: the quota, bounded by what the cluster has left; else the cluster', async (t) => {
  const cluster = {
    id: 1,
    logical_space: 5000,
    logical_space_in_use: 4000,
    free_logical_space: 600,
    physical_space: 70,
    physical_space_in_use: 30,
  };
  const views = [{ id: 1, path: '/l/one', bucket: 'one' }];
  const quota = { id: 1, path: '/l/one', used_effective_capacity: 300, hard_limit: 800, soft_limit: 720 };
  const facts = { views, quotas: [quota], cluster };
  const physical = { physicalTotal: 70, physicalUsed: 30 };
  t.same(spaceOf(facts, { bucket: 'one' }), { total: 800, used: 300, ...physical, alarmPercent: 90 });
  t.match(spaceOf(facts, { path: '/l/one' }), { total: 800 });
  t.match(
    spaceOf({ ...facts, quotas: [{ ...quota, hard_limit: 9e9 }] }, { bucket: 'one' }),
    { total: 900 },
    'promised twice',
  );
  t.match(spaceOf({ ...facts, quotas: [{ ...quota, hard_limit: 0 }] }, { bucket: 'one' }), { total: 900 }, 'no limit');
  t.match(spaceOf({ ...facts, quotas: [{ ...quota, hard_limit: 200 }] }, { bucket: 'one' }), { total: 300, used: 300 });
  t.same(spaceOf(facts, { bucket: 'two' }), { total: 5000, used: 4000, ...physical, alarmPercent: undefined });
  t.match(spaceOf({ ...facts, quotas: [{ ...quota, used_effective_capacity: null }] }, { bucket: 'one' }), {
    total: 5000,
  });
  const nobody = { total: undefined, used: undefined };
  t.match(
    spaceOf({ views: [], quotas: [], cluster: undefined }, { bucket: 'one' }),
    nobody,
    'a user who may see nothing',
  );
  const storage = { total: 1n, used: 2n, physicalTotal: 3n, physicalUsed: 4n };
  t.same(capacityOf(spaceOf({ views, quotas: [], cluster: undefined }, { bucket: 'one' }), storage), storage);
  const known = spaceOf({ ...facts, cluster: undefined }, { bucket: 'one' });
  t.same(capacityOf(known, storage), { total: 800n, used: 300n, physicalTotal: UNKNOWN, physicalUsed: UNKNOWN });
});

t.test('an aged value is not fetched again right after a failure', async (t) => {
  let now = 0;
  let fetched = 0;
  const aged = new Aged(
    async () => {
      fetched += 1;
      throw new Error(`failure ${fetched}`);
    },
    10,
    100,
    () => now,
    50,
  );
  await t.rejects(aged.get(), { message: 'failure 1' });
  now = 49;
  await t.rejects(aged.get(), { message: 'failure 1' });
  now = 50;
  await t.rejects(aged.get(), { message: 'failure 2' });
});
