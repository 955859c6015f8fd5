import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { readCredentialsFile } from '../../src/config/credentials-file.ts';
import { LSU_FLAG } from '../../src/ost/wire/constants.ts';
import type { Cluster } from '../../src/sim/cluster.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { Host } from '../ost/support/host.ts';
import { ADMIN, basic, cluster as startSim } from '../sim/support.ts';
import { tempDir } from '../support/temp-dir.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const CANARY = 'canary-pass-5d01';
const METRICS_CANARY = 'canary-scrape-c4';
const MANAGER = { username: 'nbu-admin', password: CANARY } as const;

/** A simulated cluster over TLS, and a configuration for it. Whatever is written anywhere is kept, to be searched. */
class Site {
  readonly sim: Cluster;
  readonly dir: string;
  readonly config: string;
  readonly log: string;
  /** Standard output and error, command lines and environments of all processes. */
  written = '';

  private constructor(sim: Cluster, dir: string) {
    this.sim = sim;
    this.dir = dir;
    this.config = join(dir, 'vast-ost.conf');
    this.log = join(dir, 'log');
  }

  static async start(t: Test): Promise<Site> {
    const sim = await startSim(t, { plain: false, managers: [ADMIN, MANAGER], dir: tempDir() });
    const site = new Site(sim, join(sim.dir, 'site'));
    mkdirSync(join(site.dir, 'state'), { recursive: true });
    site.login(CANARY);
    const password = `user = prometheus\npassword = ${METRICS_CANARY}\n`;
    writeFileSync(join(site.dir, 'metrics-password'), password, { mode: 0o600 });
    writeFileSync(
      site.config,
      `
[engine]
socket = ${site.dir}/sock
state_dir = ${site.dir}/state
[metrics]
listen = 127.0.0.1:0
password_file = ${site.dir}/metrics-password
[logging]
log_level = trace
log_file = ${site.log}
[server prod]
store = s3:${sim.tlsUrls[0]}
s3_ca_file = ${sim.ca?.file}
vms = ${sim.vmsUrl}
vms_ca_file = ${sim.ca?.file}
vms_credentials_file = ${site.dir}/vms
tenant = default
vip_pool = main
lsus = nbu-one, nbu-two
[lsu prod/nbu-two]
quota = 10G
soft_quota = 9G
object_lock = governance
`,
    );
    return site;
  }

  login(password: string): void {
    const path = join(this.dir, 'vms');
    writeFileSync(path, `user = ${MANAGER.username}\npassword = ${password}\n`);
    chmodSync(path, 0o600);
  }

  get keysFile(): string {
    return join(this.dir, 'state', 's3-prod.credentials');
  }

  spawn(...args: string[]): ChildProcess {
    const env = { PATH: process.env['PATH'], HOME: '/nonexistent' };
    const child = spawn(process.execPath, [MAIN, '--config', this.config, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const file of ['cmdline', 'environ']) this.written += readFileSync(`/proc/${child.pid}/${file}`, 'utf8');
    return child;
  }

  async run(...args: string[]) {
    const child = this.spawn(...args);
    const [stdout, stderr] = await Promise.all([
      text(child.stdout as never),
      text(child.stderr as never),
      once(child, 'close'),
    ]);
    this.written += stdout + stderr;
    return { code: child.exitCode, stdout, stderr };
  }

  /** What the engine tells Prometheus, which gives this password. */
  async scrape(password: string): Promise<{ status: number; body: string }> {
    const port = /"port":(\d+),[^\n]*"metrics are served"/.exec(readFileSync(this.log, 'utf8'))?.[1];
    const headers = basic({ username: 'prometheus', password });
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers });
    const told = JSON.stringify([...response.headers]);
    return { status: response.status, body: told + (await response.text()) };
  }

  /** All that was written but for the files that hold the secrets. */
  evidence(): string {
    const state = join(this.dir, 'state');
    const files = [this.log, ...readdirSync(state).map((name) => join(state, name))].filter(
      (path) => existsSync(path) && statSync(path).isFile() && path !== this.keysFile,
    );
    return this.written + files.map((path) => readFileSync(path, 'utf8')).join('');
  }
}

async function reachable(path: string): Promise<boolean> {
  const socket = connect(path);
  return Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)])
    .catch(() => false)
    .finally(() => socket.destroy());
}

t.test('provision, serve, tear down; no secret is written anywhere', async (t) => {
  const site = await Site.start(t);
  const { sim } = site;
  const secrets = [CANARY, METRICS_CANARY, Buffer.from(`prometheus:${METRICS_CANARY}`).toString('base64')];

  const planned = await site.run('--json', 'provision', 'prod', '--dry-run');
  t.equal(planned.code, 0, planned.stderr);
  t.equal(JSON.parse(planned.stdout).length, 9);
  t.notOk(existsSync(site.keysFile));

  const made = await site.run('provision', 'prod');
  t.equal(made.code, 0, made.stderr);
  t.match(made.stdout, /create +view +\/vast-ost\/nbu-two +protocols=S3 create_dir=true bucket=nbu-two/);
  t.match(made.stderr, /9 steps done/);
  t.equal(statSync(site.keysFile).mode & 0o777, 0o600);
  const keys = await readCredentialsFile(site.keysFile);
  secrets.push(keys.secretAccessKey);
  const again = await site.run('provision', 'prod');
  t.match([again.code, again.stdout, again.stderr], [0, '', /nothing to do/]);

  const looked = await site.run('--json', 'doctor', 'prod');
  const findings = looked.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const verdict = (subject: string, check: string): string | undefined =>
    findings.find((finding) => finding.subject === subject && finding.check === check)?.verdict;
  t.equal(verdict('server prod vms', 'login'), 'ok');
  t.equal(verdict('server prod vms', 'certificate'), 'ok');
  t.equal(verdict('server prod vms', 'data VIPs'), 'ok');
  t.equal(verdict('server prod vms lsu nbu-two', 'view and space'), 'ok');
  t.equal(verdict('server prod', 'connection'), 'ok');
  t.equal(verdict('server prod', 'certificate'), 'ok');
  t.equal(verdict('server prod lsu nbu-one', 'probe image'), 'ok');
  t.equal(verdict('engine', 'socket'), 'failure', 'no engine yet');

  const engine = site.spawn('serve');
  const output = Promise.all([text(engine.stdout as never), text(engine.stderr as never)]);
  t.teardown(() => engine.kill('SIGKILL'));
  while (!(await reachable(join(site.dir, 'sock')))) {
    if (engine.exitCode !== null) break;
    await delay(20);
  }
  const host = new Host({});
  t.teardown(() => host.close());
  await host.connect(join(site.dir, 'sock'));
  const open = { interface: '', cred_type: 1, user: 'root', secret: 'canary-host-9a', job: '' };
  secrets.push('canary-host-9a');
  await host.ask('SERVER_OPEN', { server: 1n, name: 'VastData:prod', ...open });
  t.match((await host.ask('LSU_LIST', { server: 1n, max: 9, cursor: '' })).names, [
    { name: 'nbu-one' },
    { name: 'nbu-two' },
  ]);
  const info = await host.ask('LSU_PROP', { server: 1n, lsu: 'nbu-two' });
  t.match(info, { capacity: 10n * 2n ** 30n, used: 0n });
  t.equal(info.flags & LSU_FLAG.DEDUP, LSU_FLAG.DEDUP, 'as the cluster says');
  t.ok(info.phys_capacity > 0n);
  const config = Buffer.from((await host.ask('CONFIG_GET', { server: 1n })).text).toString();
  t.match(config, /^nbu-two\.high_water_percent = 90$/m);
  t.match(config, /^nbu-two\.low_water_percent = 72$/m);
  t.match(config, /^nbu-one\.high_water_percent = 98$/m);
  // Nobody knows a host of this name, and the password must not get around.
  await host.ask('SERVER_OPEN', { server: 2n, name: 'VastData:nowhere.invalid', ...open }).then(
    () => t.fail('found a server that is none'),
    (error: Error) => t.match(error.message, /no address/),
  );
  site.written += readFileSync(`/proc/${engine.pid}/cmdline`, 'utf8');
  for (const password of [METRICS_CANARY, 'canary-wrong-scrape']) {
    const { status, body } = await site.scrape(password);
    t.equal(status, password === METRICS_CANARY ? 200 : 401);
    site.written += body;
  }
  secrets.push('canary-wrong-scrape');
  engine.kill('SIGTERM');
  site.written += (await output).join('');

  const options = { caFile: sim.ca?.file ?? '', credentials: keys };
  const storage = new S3Storage(new URL(sim.tlsUrls[0] ?? ''), options);
  t.teardown(() => storage.close());
  const store = await storage.open('nbu-one');
  await store.put('netbackup/image', [Buffer.alloc(1000)]);
  const kept = await site.run('provision', 'prod', '--teardown');
  t.equal(kept.code, 0, kept.stderr);
  t.match(kept.stdout, /keep +view +\/vast-ost\/nbu-one +the LSU nbu-one holds data; --force/);
  t.match(kept.stdout, /remove +view +\/vast-ost\/nbu-two/);
  t.ok(existsSync(site.keysFile));
  const forced = await site.run('provision', 'prod', '--teardown', '--force');
  t.match(forced.stderr, /6 removed, 0 kept/);
  t.notOk(existsSync(site.keysFile));

  site.login('canary-wrong-77');
  secrets.push('canary-wrong-77');
  const refused = await site.run('provision', 'prod');
  t.equal(refused.code, 5);
  t.match(refused.stderr, /VMS login of nbu-admin .*\[VOST_VMS_CREDENTIALS\]\n +check the user and password/);
  const unknown = await site.run('--json', 'provision', 'other');
  t.equal(unknown.code, 2);

  const evidence = site.evidence();
  for (const something of ['engine ready', 'nbu-one', 'vast_ost_requests_total{']) {
    t.ok(evidence.includes(something), 'there is something to search');
  }
  for (const secret of secrets) t.notOk(evidence.includes(secret), `${secret.slice(0, 9)}… is nowhere`);
  t.notMatch(evidence, /Bearer |eyJ[A-Za-z0-9_-]{10}/, 'nor any token');
});
