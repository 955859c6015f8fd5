import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { accessKeys } from '../../../src/vast/rotation/access-keys.ts';
import { apiTokens } from '../../../src/vast/rotation/api-tokens.ts';
import { fileJournal } from '../../../src/vast/rotation/journal.ts';
import { type Rotated, Rotation, type RotationOutcome } from '../../../src/vast/rotation/rotation.ts';
import { refusal } from '../../support/refusal.ts';
import { FakeVms } from '../vms/fake-vms.ts';
import { clientOf } from '../vms/support.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Secrets in memory: the cluster's, and the file's. Each call can be made to fail, before or after it has done its work. */
class Desk implements Rotated {
  readonly most = 2;
  file: string | undefined = 'k1';
  cluster = ['k1'];
  fail = '';
  calls = 0;
  #next = 1;

  /** The process dies at the n-th step. */
  diesAt = Number.POSITIVE_INFINITY;

  #step(): void {
    this.calls += 1;
    if (this.calls > this.diesAt) throw new Error('died');
  }

  current = async (): Promise<string | undefined> => this.file;
  existing = async (): Promise<string[]> => {
    this.#step();
    return [...this.cluster];
  };
  make = async () => {
    this.#step();
    this.#next += 1;
    const id = `k${this.#next}`;
    if (this.cluster.length >= this.most) throw new Error('too many');
    this.cluster.push(id);
    this.#step();
    return {
      id,
      save: async () => {
        this.#step();
        this.file = id;
        this.#step();
      },
    };
  };
  remove = async (id: string): Promise<void> => {
    this.#step();
    this.cluster = this.cluster.filter((one) => one !== id);
  };

  check(t: Test, when: string): void {
    t.ok(this.cluster.includes(this.file ?? ''), `${when}: what the file says is good`);
    t.ok(this.cluster.length <= this.most, `${when}: ${this.cluster.length} keys`);
  }
}

const journalIn = (t: Test) => fileJournal(join(t.testdir({}), 'rotation.json'));

t.test('a day in the life of a key', async (t) => {
  const desk = new Desk();
  let now = 1e12;
  const rotation = new Rotation(desk, { journal: journalIn(t), everyMs: DAY, graceMs: HOUR, now: () => now });
  const outcomes: [number, RotationOutcome][] = [];
  for (let hour = 0; hour <= 50; hour += 1, now += HOUR) {
    const outcome = await rotation.run();
    if (outcome !== 'waiting') outcomes.push([hour, outcome]);
    desk.check(t, `hour ${hour}`);
  }
  t.same(outcomes, [
    [24, 'replaced'],
    [25, 'retired'],
    [48, 'replaced'],
    [49, 'retired'],
  ]);
  t.same(desk.cluster, ['k3']);
});

t.test('wherever it dies, the next run goes on, and no key is left over', async (t) => {
  for (let step = 0; step < 8; step += 1) {
    const desk = new Desk();
    let now = 1e12;
    const journal = journalIn(t);
    const run = () => new Rotation(desk, { journal, everyMs: DAY, graceMs: HOUR, now: () => now }).run();
    await run();
    now += DAY;
    desk.diesAt = step;
    // The one that died before it could take back what it made; what it holds dies with it.
    await run().catch(() => undefined);
    desk.check(t, `died at ${step}`);
    desk.diesAt = Number.POSITIVE_INFINITY;
    for (let hour = 0; hour < 5; hour += 1, now += HOUR) {
      await run();
      desk.check(t, `after ${step}`);
    }
    t.equal(desk.cluster.length, 1, `died at ${step}: one key is left`);
    t.not(desk.file, 'k1', `died at ${step}: and it is a new one`);
  }
});

t.test('two runs at once are one', async (t) => {
  const desk = new Desk();
  let now = 1e12;
  const rotation = new Rotation(desk, { journal: journalIn(t), everyMs: DAY, graceMs: HOUR, now: () => now });
  await rotation.run();
  now += DAY;
  t.same(await Promise.all([rotation.run(), rotation.run(), rotation.run()]), ['replaced', 'replaced', 'replaced']);
  t.equal(desk.cluster.length, 2);
});

t.test('keys of others, clocks that jump, journals that are damaged', async (t) => {
  const desk = new Desk();
  let now = 1e12;
  const folder = t.testdir({});
  const path = join(folder, 'rotation.json');
  const rotation = new Rotation(desk, { journal: fileJournal(path), everyMs: DAY, graceMs: HOUR, now: () => now });
  await rotation.run();
  desk.cluster.push('stranger');
  now += DAY;
  await t.rejects(rotation.run(), refusal('capacity', { message: /2 already/ }));
  t.same(desk.cluster, ['k1', 'stranger'], 'nobody else’s key is touched');
  desk.cluster = ['k1'];
  now -= 100 * DAY;
  t.equal(await rotation.run(), 'replaced', 'a clock that was set back');
  now -= DAY;
  t.equal(await rotation.run(), 'retired', 'a grace that is longer than it can be');
  writeFileSync(path, 'not json');
  t.equal(await rotation.run(), 'waiting');
  desk.file = undefined;
  t.equal(await rotation.run(), 'waiting', 'nothing to rotate');
});

t.test('S3 keys of a user at the cluster', async (t) => {
  const fake = await FakeVms.start(t);
  fake.table('users').push({ id: 3, name: 'nbu', access_keys: [{ access_key: 'A', enabled: true, tenant_id: 4 }] });
  let file = { accessKeyId: 'A', secretAccessKey: 's' };
  const rotated = accessKeys({
    client: clientOf(t, fake),
    user: async () => 'nbu',
    tenant: undefined,
    current: async () => file.accessKeyId,
    save: async (key) => {
      file = key;
    },
  });
  let now = 1e12;
  const rotation = new Rotation(rotated, { journal: journalIn(t), everyMs: DAY, graceMs: HOUR, now: () => now });
  await rotation.run();
  now += DAY;
  await rotation.run();
  t.match(file.secretAccessKey, /canary/);
  t.match(fake.table('users')[0]?.['access_keys'], [{ access_key: 'A' }, { access_key: file.accessKeyId }]);
  t.same(fake.seen.find(({ method, pathname }) => method === 'POST' && pathname.endsWith('keys/'))?.body, {
    tenant_id: 4,
  });
  now += HOUR;
  await rotation.run();
  t.match(fake.table('users')[0]?.['access_keys'], [{ access_key: file.accessKeyId }]);
  t.same(fake.complaints, []);
  fake.tables['users'] = [];
  now += DAY;
  await t.rejects(rotation.run(), refusal('not-found'));
});

t.test('API tokens', async (t) => {
  const fake = await FakeVms.start(t);
  fake.good.add('Api-Token first');
  let file = { id: '', token: 'first' };
  const client = clientOf(t, fake, { credentials: async () => ({ kind: 'token', token: file.token }) });
  const rotated = apiTokens({
    client,
    owner: async () => 'nbu',
    name: 'vast-ost-prod',
    life: '90d',
    current: async () => file.id,
    save: async (made) => {
      file = made;
    },
  });
  let now = 1e12;
  const rotation = new Rotation(rotated, { journal: journalIn(t), everyMs: DAY, graceMs: HOUR, now: () => now });
  for (let hour = 0; hour < 60; hour += 1, now += HOUR) await rotation.run();
  t.match(file.token, /canary-token/);
  t.match(
    fake.table('apitokens').map(({ revoked }) => revoked),
    [true, false],
  );
  t.ok(fake.good.has('Api-Token first'), 'the administrator’s own is his');
  t.same(fake.complaints, []);
});
