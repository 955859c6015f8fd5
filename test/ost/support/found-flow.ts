/** What test/ost/found-server.test.ts runs in a network of its own: nothing is injected, names and ports are real. */
import { appendFileSync, copyFileSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Cluster, startCluster } from '../../../src/sim/cluster.ts';
import { api, expectStatus } from '../../sim/support.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { type Ended, ostHost } from './ost-host.ts';
import { Served } from './served.ts';

const FIRST = 'vms.data.vast-sim.test';
/** VMS on its second port, data without TLS. */
const SECOND = 'alt.data.vast-sim.test';
/** As the first, but one of the name's addresses does not answer. */
const TWO = 'two.data.vast-sim.test';
const THREE = 'three.data.vast-sim.test';
const OLD = 'canary:old';
const NEW = 'canary:new';
const OTHER = 'canary:tenant';
/** Numbers that NetBackup gets. */
const STS_EAUTH = /failed: 2060029/;
const STS_EACCESS = /failed: 2060037/;
const STS_ENOENT = /failed: 2060013/;
const image = ['--image', 'nbu_1', '--generate', '1M', '--streams', '2'];

const startFirst = (dir: string, password: string): Promise<Cluster> =>
  startCluster({
    dir,
    host: '127.20.0.1',
    vips: 2,
    vmsPort: 443,
    port: 80,
    tlsPort: 443,
    minPartBytes: 1024,
    managers: [
      { username: 'admin', password },
      { username: 'keeper', password: OTHER, tenant: 'acme' },
    ],
  });

async function bucket(t: Test, sim: Cluster, password: string, name: string, owner: string): Promise<void> {
  const headers = { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` };
  const post = (path: string, body: object) => expectStatus(t, api(sim, 'POST', path, body, { headers }), 201);
  await post('/users/', { name: owner, local_provider_id: 1 });
  const fields = { path: `/${name}`, policy_id: 2, protocols: ['S3'], create_dir: true };
  await post('/views/', { ...fields, bucket: name, bucket_owner: owner });
}

const keysIn = (sim: Cluster): number => (sim.show() as { counts: { keys: number } }).counts.keys;
const dataRequests = (sim: Cluster): number =>
  (sim.show() as { vips: { requests: number }[] }).vips.reduce((sum, { requests }) => sum + requests, 0);

t.test('the life of servers without a section', async (t) => {
  const dir = tempDir();
  let sim = await startFirst(join(dir, 'first'), OLD);
  t.teardown(() => sim.close());
  await bucket(t, sim, OLD, 'first-lsu', `vast-ost-${FIRST}`);
  await bucket(t, sim, OLD, 'strange', 'somebody');
  const authorities = join(dir, 'authorities.pem');
  copyFileSync(sim.ca?.file ?? '', authorities);
  const served = await Served.prepare(t, { kind: 'none', general: `s3_ca_file = ${authorities}` });
  const state = join(served.folder, 'state');
  const keysFile = (server: string): string => join(state, `s3-${server}.credentials`);
  let log = '';

  function host(server: string, password: string, args: readonly string[], user = 'admin'): Promise<Ended> {
    const [command = '', ...rest] = args;
    const env = { VAST_OST_SERVER: `VastData:${server}`, VAST_OST_PASSWORD: password };
    return ostHost(served, [command, '--user', user, ...rest], { env });
  }

  async function works(server: string, password: string, args: readonly string[], what: string): Promise<string> {
    const { code, said } = await host(server, password, args);
    t.equal(code, 0, what, { said });
    return said;
  }

  async function restart(): Promise<void> {
    log += served.stderr;
    t.equal(await served.stop(), 0);
    log += served.stderr;
    await served.start();
  }

  await served.start();
  const before = keysIn(sim);

  // A server is found and looked at, again and again, without any keys.
  const seen = await works(FIRST, OLD, ['info', '-si', '-li'], 'it is found');
  t.match(seen, /Name: first-lsu[\s\S]*Capacity: [0-9]+/);
  t.notMatch(seen, /strange/, 'somebody else’s bucket is no LSU');
  await works(FIRST, OLD, ['poll', '--count', '3', '--interval', '1'], 'polls');
  t.equal(keysIn(sim), before, 'a poll makes no keys');
  t.equal(dataRequests(sim), 0, 'and asks S3 nothing');
  t.notOk(readdirSync(state).some((name) => name.endsWith('.credentials')));

  // The first image makes them, once, however many streams there are.
  await works(FIRST, OLD, ['backup', '--lsu', 'first-lsu', ...image], 'two streams are written');
  t.equal(keysIn(sim), before + 1);
  const kept = readFileSync(keysFile(FIRST), 'utf8');
  t.match(kept, new RegExp(`user = vast-ost-${FIRST}\n`));
  t.equal(statSync(keysFile(FIRST)).mode & 0o777, 0o600);
  await works(FIRST, OLD, ['restore', '--lsu', 'first-lsu', ...image], 'and read');

  // The next engine finds the server again, and the keys.
  await restart();
  await works(FIRST, OLD, ['restore', '--lsu', 'first-lsu', ...image], 'read after a restart');
  t.equal(readFileSync(keysFile(FIRST), 'utf8'), kept);
  t.equal(keysIn(sim), before + 1);

  const wrong = await host(FIRST, 'canary:wrong', ['info', '-si']);
  t.match(wrong.said, STS_EAUTH, 'a wrong password');
  const hidden = await host(FIRST, OTHER, ['info', '-si'], 'keeper');
  t.match(hidden.said, STS_EACCESS, 'a tenant’s administrator, who may not see the VIP pools');
  t.match(served.stderr, /may not see the VIP pools.*store = s3:URL/);
  t.match((await host('closed.data.vast-sim.test', OLD, ['info', '-si'])).said, STS_ENOENT, 'nobody listens');
  t.match((await host('nowhere.invalid', OLD, ['info', '-si'])).said, STS_ENOENT, 'no such name');

  // The password changes.
  await sim.close();
  sim = await startFirst(join(dir, 'first'), NEW);
  await works(FIRST, NEW, ['restore', '--lsu', 'first-lsu', ...image], 'the new password');
  await restart();
  t.match((await host(FIRST, OLD, ['info', '-si'])).said, STS_EAUTH, 'the old password is refused');

  // The engine dies amid a backup: the next one finds the server by what the plugin still knows.
  const asked = dataRequests(sim);
  const running = host(FIRST, NEW, ['backup', '--lsu', 'first-lsu', '--image', 'nbu_2', '--generate', '16M']);
  while (dataRequests(sim) < asked + 4) await delay(10);
  log += served.stderr;
  await served.kill();
  await served.start();
  const { code, said } = await running;
  t.equal(code, 0, 'a backup survives the engine', { said });
  await works(FIRST, NEW, ['restore', '--lsu', 'first-lsu', '--image', 'nbu_2', '--generate', '16M'], 'and is whole');

  await works(FIRST, NEW, ['delete', '--lsu', 'first-lsu', '--image', 'nbu_1'], 'deleted');
  t.notMatch(await works(FIRST, NEW, ['list', '--lsu', 'first-lsu', '--pending'], 'listed'), /nbu_1/);

  // A name with two addresses, of which one swallows everything. The same owner: the only one that is ours.
  await works(TWO, NEW, ['backup', '--lsu', 'first-lsu', ...image], 'over the address that answers');
  await works(TWO, NEW, ['restore', '--lsu', 'first-lsu', ...image], 'and back');
  t.equal(keysIn(sim), before + 2);
  const full = await host(THREE, NEW, ['backup', '--lsu', 'first-lsu', ...image]);
  t.match(full.said, STS_EACCESS, 'VAST allows two keys a user');
  t.match(served.stderr, /no S3 keys for three.*2 already.*s3-three\.data\.vast-sim\.test\.credentials/);

  // VMS on port 8443, data on port 80 only; the buckets' only owner is nobody we know.
  const second = await startCluster({
    dir: join(dir, 'second'),
    host: '127.20.0.2',
    vmsPort: 8443,
    port: 80,
    tlsPort: 9443,
    minPartBytes: 1024,
    managers: [{ username: 'admin', password: OLD }],
  });
  t.teardown(() => second.close());
  await bucket(t, second, OLD, 'second-lsu', 'backup');
  t.match((await host(SECOND, OLD, ['info', '-si'])).said, STS_EACCESS, 'its authority is not trusted');
  t.match(served.stderr, /VOST_TLS_TRUST.*s3_ca_file/);
  appendFileSync(authorities, second.ca?.cert ?? '');
  await restart();
  await works(SECOND, OLD, ['backup', '--lsu', 'second-lsu', ...image], 'VMS on 8443, data on 80');
  await works(SECOND, OLD, ['restore', '--lsu', 'second-lsu', ...image], 'and back');
  t.match(served.stderr, /"store":"s3:http:\/\/127\.20\.0\.2:80","vms":"https:\/\/alt\.data\.vast-sim\.test:8443"/);

  log += served.stderr;
  await served.stop();
  log += served.stderr;
  const secrets = [OLD, NEW, OTHER, 'canary:wrong', /secret_access_key = (.*)/.exec(kept)?.[1] ?? ''];
  const others = readdirSync(state).filter((name) => !name.endsWith('.credentials'));
  const written = others.map((name) => readFileSync(join(state, name), 'utf8')).join('') + log;
  for (const secret of secrets) t.notOk(secret === '' || written.includes(secret), 'no secret is written');
});
