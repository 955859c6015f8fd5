import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { systemClock } from '../../../src/vast/retry.ts';
import { VmsClient } from '../../../src/vast/vms/client.ts';
import { apiVersionOf, parseVersion } from '../../../src/vast/vms/version.ts';
import { refusal } from '../../support/refusal.ts';
import { RELEASES } from './contract.ts';
import { FakeVms, PASSWORD } from './fake-vms.ts';
import { clientOf, LOGIN, VirtualClock } from './support.ts';

t.test('a release in all its spellings', async (t) => {
  const spellings: Record<string, [number, number, number]> = {
    '5.4.3.1.14178074658457882785': [5, 4, 3],
    'vrelease-5-2-3-2169905': [5, 2, 3],
    'release-5-3-0-1234567': [5, 3, 0],
    '5.3.0-123': [5, 3, 0],
    '5.5': [5, 5, 0],
  };
  for (const [text, [major, minor, patch]] of Object.entries(spellings)) {
    t.same(parseVersion(text), { major, minor, patch }, text);
  }
  for (const text of ['', 'latest', '2026', 'x'.repeat(1000)])
    t.equal(parseVersion(text), undefined, text.slice(0, 10));
  t.equal(apiVersionOf({ major: 5, minor: 0, patch: 9 }), 'v4');
  t.equal(apiVersionOf({ major: 5, minor: 1, patch: 0 }), 'v5');
  t.throws(() => apiVersionOf({ major: 4, minor: 7, patch: 0 }), refusal('unsupported'));
});

for (const release of RELEASES) {
  t.test(`every request of the client is one that ${release} knows`, async (t) => {
    const fake = await FakeVms.start(t, release);
    const client = clientOf(t, fake, { tenant: 'default' });
    const { version, can } = await client.release();
    t.equal(`${version.major}.${version.minor}`, release);
    t.match(await client.cluster(), { id: 1, name: 'own' }, 'not a peer');
    for (const collection of Object.values(client)) if (typeof collection?.list === 'function') await collection.list();
    t.same(await client.vips('data'), ['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1']);
    t.same(await client.vips(), await client.vips('data'), 'pools for replication are not for data');
    await client.users.create({ name: 'nbu', ...(can.localProvider ? { local_provider_id: 7 } : {}) });
    const user = (await client.users.list())[0];
    const key = await client.createAccessKey(user?.id ?? 0, 1);
    await client.removeAccessKey(user?.id ?? 0, key.accessKeyId);
    if (can.apiTokens) {
      const { id } = await client.createApiToken('o', 'n', '30d');
      t.same(await client.apiTokens('o'), [{ id, name: 'n' }]);
      await client.revokeApiToken(id);
      t.same(await client.apiTokens('o'), []);
    }
    const view = await client.views.create({ path: '/a', policy_id: 5 });
    await client.views.update(view.id, { s3_versioning: true });
    t.match(await client.views.get(view.id), { path: '/a', s3_versioning: true });
    await client.views.remove(view.id);
    await client.views.remove(view.id);
    t.same(fake.complaints, []);
    const paths = new Set(fake.seen.slice(-5).map(({ pathname }) => pathname.split('/')[2]));
    t.same([...paths], [release === '5.0' ? 'v4' : 'v5']);
    t.equal(fake.logins, 1);
  });
}

t.test('lists come bare or in pages, and only from where we began', async (t) => {
  const fake = await FakeVms.start(t);
  fake.tables['views'] = Array.from({ length: 1203 }, (_, at) => ({
    id: at + 1,
    path: `/v${at}`,
    unknown: { deep: [1] },
  }));
  const client = clientOf(t, fake);
  const views = await client.views.list();
  t.equal(views.length, 1203);
  t.equal(new Set(views.map(({ id }) => id)).size, 1203);
  t.equal(fake.log.filter((line) => line === 'GET views/').length, 3);

  const next = 'https://elsewhere.example/api/v5/views/?page=2';
  fake.intercept = ({ pathname }) => (pathname.endsWith('views/') ? { body: { results: [], next } } : undefined);
  await t.rejects(client.views.list(), refusal('unsupported', { message: /circle/ }));
  let page = 1;
  fake.intercept = () => {
    page += 1;
    return { body: { results: [], next: `/api/v5/views/?page=${page}` } };
  };
  await t.rejects(client.views.list(), refusal('unsupported', { message: /more than 400 pages/ }));
});

t.test('error bodies of every shape', async (t) => {
  const fake = await FakeVms.start(t);
  const client = clientOf(t, fake);
  await client.release();
  const cases: [number, unknown, Parameters<typeof refusal>[0], RegExp][] = [
    [400, ['trash folder disabled'], 'usage', /HTTP 400: trash folder disabled$/],
    [400, 'no such directory', 'usage', /no such directory/],
    [400, { detail: 'no' }, 'usage', /: no$/],
    [400, { path: ['View path /a already exists'] }, 'exists', /path: View path/],
    [400, ['__root__->file_path: field required'], 'usage', /field required/],
    [403, { detail: 'permission_denied' }, 'access', /permission_denied/],
    [404, { detail: 'Not found.' }, 'not-found', /Not found/],
    [409, { detail: 'busy now' }, 'busy', /busy now/],
    [507, {}, 'capacity', /HTTP 507$/],
    [503, ['Maximum number of API tokens reached'], 'capacity', /Maximum/],
    [301, undefined, 'unsupported', /HTTP 301/],
    [500, { deep: { deeper: [{ x: 'y'.repeat(9999) }] } }, 'retryable', /deep: deeper: x: y+…/],
  ];
  for (const [status, body, failure, message] of cases) {
    fake.intercept = () => ({ status, body });
    await t.rejects(
      client.quotas.get(1),
      refusal(failure, { message }),
      `${status} ${JSON.stringify(body)}`.slice(0, 60),
    );
  }
  fake.intercept = () => ({ status: 502, text: '<html>a proxy’s page</html>' });
  const error = await client.quotas.get(1).catch((thrown) => thrown);
  t.match(error, refusal('retryable'));
  t.notMatch(error.message, /html/);
  fake.intercept = () => ({ text: '{"id": 1, "path": ' });
  await t.rejects(client.quotas.get(1), refusal('integrity'), 'cut off');
  fake.intercept = () => ({ body: { id: 'x' } });
  await t.rejects(client.quotas.get(1), refusal('unsupported', { message: /does not fit: id/ }));
});

t.test('a burst of 503 is waited out; a POST that may have happened is not repeated', async (t) => {
  const fake = await FakeVms.start(t);
  const clock = new VirtualClock();
  const client = clientOf(t, fake, { clock });
  await client.release();
  let left = 3;
  fake.intercept = () => {
    left -= 1;
    return left >= 0 ? { status: 503, body: 'Service temporarily unavailable' } : undefined;
  };
  t.match(await client.views.create({ path: '/a', policy_id: 5 }), { path: '/a' });
  t.equal(clock.sleeps.length, 3, 'an answer of 503 did nothing, so it may be repeated');

  let posts = 0;
  fake.intercept = ({ method }) => {
    if (method !== 'POST') return undefined;
    posts += 1;
    return { reset: true };
  };
  await t.rejects(client.views.create({ path: '/b', policy_id: 5 }), refusal('retryable'));
  t.equal(posts, 1);
  let resets = 2;
  fake.intercept = () => {
    resets -= 1;
    return resets >= 0 ? { reset: true } : undefined;
  };
  t.equal((await client.views.list()).length, 1, 'a GET is');
});

t.test('tasks are polled with growing pauses, errors tolerated, in either case of letters', async (t) => {
  const fake = await FakeVms.start(t);
  const clock = new VirtualClock();
  const client = clientOf(t, fake, { clock, policy: { retries: 0 } });
  await client.release();
  const states: (string | number)[] = ['RUNNING', 503, 'running', 'UNKNOWN', 'completed'];
  fake.intercept = () => {
    const state = states.shift();
    return typeof state === 'number'
      ? { status: state }
      : { body: { id: 77, name: 'create clone', state, messages: ['a', 'why'] } };
  };
  await client.tasks.settle({ id: 3, async_task: { id: 77, state: 'RUNNING' } });
  t.same(clock.sleeps, [1000, 1500, 2250, 3375]);
  for (const state of ['FAILED', 'timeout', 'PARTIALLY_COMPLETED']) {
    states.push(state);
    await t.rejects(
      client.tasks.settle({ task_id: 77 }),
      refusal('internal', { message: /create clone 77 ended as .*: why/ }),
    );
  }
  fake.intercept = () => ({ body: { id: 77, state: 'RUNNING' } });
  await t.rejects(
    client.tasks.settle({ id: 77, messages: [] }, { deadlineMs: 60_000 }),
    refusal('retryable', { message: /too long/ }),
  );
  t.ok(Math.max(...clock.sleeps) <= 30_000);
  fake.intercept = () => ({ status: 500 });
  await t.rejects(client.tasks.settle({ task_id: 77 }), refusal('retryable', { message: /HTTP 500/ }));
  await client.tasks.settle(undefined);
  await client.tasks.settle({ id: 5, name: 'no task' });
});

t.test('over TLS: verified, with a client certificate where there is one', async (t) => {
  const dir = t.testdir({});
  const pem = (name: string): string => join(dir, `${name}.pem`);
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'.split(' ');
  const run = (...words: string[]): void => void execFileSync('openssl', words, { stdio: 'ignore' });
  for (const [name, subject] of [
    ['server', 'subjectAltName=IP:127.0.0.1'],
    ['client', 'subjectAltName=email:nbu@example'],
  ] as const) {
    const files = ['-keyout', pem(`${name}-key`), '-out', pem(name)];
    run('req', '-x509', ...key, '-days', '2', '-subj', `/CN=${name}`, '-addext', subject, ...files);
  }
  const read = (name: string): string => readFileSync(pem(name), 'utf8');
  const shown: string[] = [];
  const server = createServer(
    { key: read('server-key'), cert: read('server'), ca: read('client'), requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket;
      shown.push(`${socket.getPeerCertificate().subject?.CN} ${socket.authorized} ${request.headers.authorization}`);
      response.end(JSON.stringify([{ id: 1, sys_version: '5.4.0' }]));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const certificate = { kind: 'certificate', certificate: read('client'), key: read('client-key') } as const;
  const client = new VmsClient({ origin, caFile: pem('server'), credentials: async () => certificate });
  t.teardown(() => client.close());
  await client.release();
  t.same(shown, ['client true undefined']);

  const doubting = new VmsClient({ origin, credentials: async () => LOGIN, clock: new VirtualClock() });
  t.teardown(() => doubting.close());
  await t.rejects(doubting.release(), refusal('access', { code: 'VOST_TLS_TRUST' }), 'and final');
  t.equal(shown.length, 1, 'nobody was told the password');
  t.ok(PASSWORD.length > 0);
  t.throws(() => new VmsClient({ origin, caFile: pem('none'), credentials: async () => LOGIN }), refusal('usage'));
});

t.test('an abort ends a call that waits', async (t) => {
  const fake = await FakeVms.start(t);
  const client = clientOf(t, fake);
  await client.release();
  const arrived = Promise.withResolvers<void>();
  const never = new Promise<undefined>(() => undefined);
  fake.intercept = () => {
    arrived.resolve();
    return never;
  };
  const controller = new AbortController();
  const call = client.quotas.get(1, { signal: controller.signal });
  await arrived.promise;
  controller.abort();
  await t.rejects(call, refusal('aborted'));
});

t.test('closing ends what runs and what waits', async (t) => {
  const fake = await FakeVms.start(t);
  const arrived = Promise.withResolvers<void>();
  const client = clientOf(t, fake);
  await client.release();
  fake.intercept = () => {
    arrived.resolve();
    return new Promise(() => undefined);
  };
  const running = t.rejects(client.quotas.list(), refusal('aborted', { code: 'VOST_VMS_CLOSED' }));
  await arrived.promise;
  await client.close();
  await running;

  const waits = Promise.withResolvers<void>();
  const other = clientOf(t, fake, {
    clock: systemClock,
    policy: { baseMs: 1e6, capMs: 1e6, budgetMs: 1e9 },
    onRetry: () => waits.resolve(),
  });
  fake.intercept = () => ({ status: 503 });
  const waiting = t.rejects(other.quotas.list(), refusal('aborted'));
  await waits.promise;
  await other.close();
  await waiting;
  await t.rejects(other.quotas.list(), refusal('aborted'));
});

t.test('an answer that takes too long is asked for again', async (t) => {
  const fake = await FakeVms.start(t);
  const retried: string[] = [];
  const client = clientOf(t, fake, { answerTimeoutMs: 100, onRetry: ({ error }) => retried.push(error.code) });
  await client.release();
  let first = true;
  fake.intercept = () => {
    if (!first) return undefined;
    first = false;
    return new Promise(() => undefined);
  };
  t.same(await client.quotas.list(), []);
  t.same(retried, ['VOST_VMS_UNAVAILABLE']);
});
