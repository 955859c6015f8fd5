import t from 'tap';
import type { VmsCredentials } from '../../../src/vast/vms/credentials.ts';
import { readFacts } from '../../../src/vast/vms/facts.ts';
import { refusal } from '../../support/refusal.ts';
import { FakeVms, PASSWORD, USER } from './fake-vms.ts';
import { clientOf, LOGIN, VirtualClock } from './support.ts';

t.test('an expired token is replaced once, for all that wait', async (t) => {
  const fake = await FakeVms.start(t);
  const client = clientOf(t, fake);
  await client.release();
  for (const status of [403, 401]) {
    fake.good.clear();
    const before = fake.logins;
    const old = fake.seen.at(-1)?.headers['authorization'];
    fake.intercept = ({ headers }) =>
      headers['authorization'] === old ? { status, body: { detail: 'expired' } } : undefined;
    await Promise.all(Array.from({ length: 20 }, () => client.quotas.list()));
    t.equal(fake.logins - before, 1, `${status}: one login`);
  }
});

t.test('a token is renewed before it expires, by its refresh token', async (t) => {
  const fake = await FakeVms.start(t);
  fake.tokenLife = 100;
  const clock = new VirtualClock();
  const client = clientOf(t, fake, { clock });
  await client.quotas.list();
  clock.ms += 79_000;
  await client.quotas.list();
  t.equal(fake.refreshes, 0);
  clock.ms += 2_000;
  await Promise.all([client.quotas.list(), client.views.list()]);
  t.equal(fake.refreshes, 1);
  t.equal(fake.logins, 1);
  clock.ms += 90_000;
  fake.good.clear();
  await client.quotas.list();
  t.equal(fake.logins, 2, 'a refused refresh token leads to a login');
});

t.test('tokens that live for two seconds, and a clock that is wrong by years', async (t) => {
  const fake = await FakeVms.start(t);
  fake.tokenLife = 2;
  const clock = new VirtualClock();
  const client = clientOf(t, fake, { clock });
  for (let second = 0; second < 20; second += 1) {
    clock.ms += 1_000;
    await client.quotas.list();
  }
  t.equal(fake.logins, 1);
  t.ok(fake.refreshes >= 9 && fake.refreshes <= 10, `${fake.refreshes} refreshes`);
  t.equal(fake.log.length, 21, 'no request was refused');
});

t.test('a missing right surfaces, after one new token at most', async (t) => {
  const fake = await FakeVms.start(t);
  const client = clientOf(t, fake);
  await client.release();
  let asked = 0;
  const say = (detail: string) => {
    asked = 0;
    fake.intercept = ({ pathname }) => {
      if (!pathname.endsWith('vippools/')) return undefined;
      asked += 1;
      return { status: 403, body: { detail } };
    };
  };
  say('You do not have permission to perform this action.');
  await t.rejects(client.vips(), refusal('access', { message: /You do not have permission/ }));
  t.equal(asked, 1);
  say('Forbidden');
  await t.rejects(client.vips(), refusal('access', { message: /Forbidden/ }));
  t.equal(asked, 2);
});

t.test('a token that ends before it is used is no missing right', async (t) => {
  const fake = await FakeVms.start(t);
  const client = clientOf(t, fake);
  await client.quotas.list();
  fake.intercept = ({ pathname }) => {
    if (!pathname.endsWith('quotas/')) return undefined;
    return { status: 403, body: { detail: 'Token is invalid or expired', code: 'token_not_valid' } };
  };
  // Whoever takes a missing right for an answer (figures without quotas) must not take this for one.
  await t.rejects(readFacts(client), refusal('credentials', { code: 'VOST_VMS_CREDENTIALS' }));
  fake.intercept = () => undefined;
  t.same((await readFacts(client)).quotas, []);
});

t.test('a wrong password is tried once, and again when it was changed', async (t) => {
  const fake = await FakeVms.start(t);
  const clock = new VirtualClock();
  let password = 'canary-wrong';
  const client = clientOf(t, fake, { clock, credentials: async () => ({ kind: 'password', user: USER, password }) });
  for (let poll = 0; poll < 5; poll += 1) {
    const error = await client.quotas.list().catch((thrown) => thrown);
    t.match(error, refusal('credentials', { code: 'VOST_VMS_CREDENTIALS' }));
    t.notMatch(
      JSON.stringify([error.message, error.details, String(error.cause)]),
      /canary/,
      'not even when the cluster says it',
    );
  }
  t.equal(fake.logins, 1, 'accounts get locked');
  password = PASSWORD;
  await client.quotas.list();
  t.equal(fake.logins, 2);
});

t.test('an API token; a rotated one is found', async (t) => {
  const fake = await FakeVms.start(t);
  let token = 'canary-one';
  fake.good.add('Api-Token canary-one');
  const client = clientOf(t, fake, { credentials: async () => ({ kind: 'token', token }) });
  await client.quotas.list();
  t.equal(fake.logins, 0);
  fake.good.delete('Api-Token canary-one');
  await t.rejects(client.quotas.list(), refusal('credentials'), 'the same token proves nothing more');
  token = 'canary-two';
  fake.good.add('Api-Token canary-two');
  await client.quotas.list();
  t.same(fake.complaints, []);
});

t.test('Basic where no tokens are issued', async (t) => {
  const fake = await FakeVms.start(t);
  const header = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;
  fake.good.add(header);
  fake.intercept = ({ pathname }) => (pathname.endsWith('token/') ? { status: 404 } : undefined);
  await clientOf(t, fake).quotas.list();
  t.equal(fake.seen.at(-1)?.headers['authorization'], header);
});

t.test('the tenant is named where the release knows tenants', async (t) => {
  for (const [release, expected] of [
    ['5.2', undefined],
    ['5.3', 'blue'],
  ] as const) {
    const fake = await FakeVms.start(t, release);
    await clientOf(t, fake, { tenant: 'blue' }).quotas.list();
    t.equal(fake.seen.at(-1)?.headers['x-tenant-name'], expected, release);
    t.same(fake.complaints, []);
  }
  const fake = await FakeVms.start(t, '5.4');
  fake.intercept = ({ headers }) =>
    headers['x-tenant-name'] === undefined ? { status: 401, body: { detail: 'No active account' } } : undefined;
  const client = clientOf(t, fake, { tenant: 'blue', credentials: LOGIN });
  t.same(await client.quotas.list(), [], 'a user who is nobody without his tenant');
});

t.test('credentials that cannot be read', async (t) => {
  const fake = await FakeVms.start(t);
  const credentials = async (): Promise<VmsCredentials> => {
    throw new Error('no file');
  };
  await t.rejects(clientOf(t, fake, { credentials }).quotas.list(), { message: 'no file' });
  t.equal(fake.seen.length, 0);
});
