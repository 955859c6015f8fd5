/** One storage server with an LSU of each data path: provisioned, written, read and copied through the plugin, torn down. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { readCredentialsFile } from '../../src/config/credentials-file.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { MANIFEST } from '../../src/image/names.ts';
import { OstEngine } from '../../src/ost/engine.ts';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { LSU_FLAG } from '../../src/ost/wire/constants.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import type { Cluster } from '../../src/sim/cluster.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { ADMIN, api, expectStatus, cluster as startSim } from '../sim/support.ts';
import { tempDir } from '../support/temp-dir.ts';
import { Host, refuses } from './support/host.ts';
import { OST_HOST, ostHost } from './support/ost-host.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const MIB = 2 ** 20;

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

class Site {
  readonly sim: Cluster;
  readonly folder: string;
  readonly socket: string;
  /** Stands for the mount of the LSU nbu-files; a mount only as far as {@link mounted} says so. */
  readonly mount: string;
  readonly config: string;
  mounted = true;
  #engine: OstEngine | undefined;
  #stopped = false;

  constructor(sim: Cluster, folder: string) {
    this.sim = sim;
    this.folder = folder;
    this.socket = join(folder, 'sock');
    this.mount = join(folder, 'mount');
    this.config = join(folder, 'vast-ost.conf');
    for (const name of ['state', 'mount']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'vms'), `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`, { mode: 0o600 });
    writeFileSync(this.config, this.#text());
  }

  #text(): string {
    const { sim, folder } = this;
    return `
[performance]
chunk_size_mb = 1
part_size_mb = 8
[engine]
socket = ${this.socket}
state_dir = ${folder}/state
[metrics]
listen = off
[server test]
store = s3:${sim.tlsUrls[0]}
s3_ca_file = ${sim.ca?.file}
vms = ${sim.vmsUrl}
vms_ca_file = ${sim.ca?.file}
vms_credentials_file = ${folder}/vms
tenant = default
nfs_clients = 127.0.0.0/8
worm_retention = 2d
[lsu test/nbu-s3]
quota = 10G
object_lock = governance
[lsu test/nbu-files]
data = nfs
mount_point = ${this.mount}
quota = 20G
snapshot_keep = 7d
`;
  }

  async cli(...args: string[]) {
    const child = spawn(process.execPath, [MAIN, '--config', this.config, ...args], {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr] = await Promise.all([
      text(child.stdout as never),
      text(child.stderr as never),
      once(child, 'close'),
    ]);
    return { code: child.exitCode, stdout, stderr };
  }

  async start(t: Test): Promise<void> {
    const resources = createResources(bridge, 64 * MIB, builtInStages());
    const mount = `1 1 0:1 / ${this.mount} rw - nfs vip:/vast-ost/nbu-files rw\n`;
    const engine = await OstEngine.start({
      settings: buildSettings(parseIni(this.#text(), this.config)),
      bridge,
      resources,
      slotReserve: 64 * MIB,
      backend: imageHandles,
      log: pino({ level: 'silent' }),
      mountinfo: async () => (this.mounted ? mount : ''),
    });
    t.teardown(async () => {
      if (!this.#stopped) await engine.stop();
      resources.slabs.close();
    });
    this.#engine = engine;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#engine?.stop();
  }

  /** ost-host, which must say that all went well. */
  async host(t: Test, ...args: string[]): Promise<string> {
    const { code, said } = await ostHost(this, args);
    t.equal(code, 0, `${args.join(' ')}: ${said.split('\n').at(-2)}`);
    return said;
  }
}

t.test('one server, two data paths', async (t) => {
  const sim = await startSim(t, { plain: false, dir: tempDir() });
  const site = new Site(sim, tempDir());

  const made = await site.cli('provision', 'test');
  t.equal(made.code, 0, made.stderr);
  t.match(made.stdout, /create +view +\/vast-ost\/nbu-files +protocols=NFS,NFS4/);
  t.match(made.stdout, /create +view +\/vast-ost\/nbu-s3 +protocols=S3 .*bucket=nbu-s3/);
  // Somebody shows the directory of the exported LSU as a bucket as well.
  const views = (await api(sim, 'GET', '/views/')).body as { id: number; path: string }[];
  const view = views.find(({ path }) => path === '/vast-ost/nbu-files');
  const both = { protocols: ['NFS', 'NFS4', 'S3'], bucket: 'nbu-files', bucket_owner: 'vast-ost-test' };
  await expectStatus(t, api(sim, 'PATCH', `/views/${view?.id}/`, both), 200);
  const keys = await readCredentialsFile(join(site.folder, 'state', 's3-test.credentials'));
  const options = { caFile: sim.ca?.file ?? '', credentials: keys };
  const buckets = new S3Storage(new URL(sim.tlsUrls[0] ?? ''), options);
  t.teardown(() => buckets.close());
  t.strictSame(await buckets.lsus(), ['nbu-files', 'nbu-s3']);

  await site.start(t);
  const host = new Host();
  t.teardown(() => host.close());
  await host.connect(site.socket);
  await host.openServer();
  const list = async () =>
    (await host.ask('LSU_LIST', { server: 1n, max: 9, cursor: '' })).names.map((one) => one.name);
  t.strictSame(await list(), ['nbu-files', 'nbu-s3'], 'each once');
  const properties = (lsu: string) => host.ask('LSU_PROP', { server: 1n, lsu });
  const [files, s3] = [await properties('nbu-files'), await properties('nbu-s3')];
  t.match(files, { capacity: 20n * 2n ** 30n, used: 0n, description: `file:${site.mount}`, worm_minimum: 0n });
  t.match(s3, { capacity: 10n * 2n ** 30n, description: `s3:${sim.tlsUrls[0]}/nbu-s3`, worm_minimum: 86_400n });
  t.equal(files.flags & LSU_FLAG.WORM, 0n, 'a directory locks nothing');
  t.equal(s3.flags & LSU_FLAG.WORM, LSU_FLAG.WORM);

  const image = (lsu: string) => ['--lsu', lsu, '--image', 'daily', '--generate', '8M', '--seed', '3'];
  for (const lsu of ['nbu-files', 'nbu-s3']) {
    await site.host(t, 'backup', ...image(lsu));
    await site.host(t, 'restore', ...image(lsu));
  }
  const onDisk = readdirSync(site.mount, { recursive: true }).map(String);
  t.ok(
    onDisk.some((name) => name.endsWith(MANIFEST)),
    'images are files',
  );
  t.strictSame(await Array.fromAsync((await buckets.open('nbu-files')).list()), [], 'and none went to the bucket');
  const said = await site.host(t, 'list', '--lsu', 'nbu-s3');
  const name = /daily\S*/.exec(said)?.[0] ?? '';
  for (const [from, to] of [
    ['nbu-files', 'nbu-s3'],
    ['nbu-s3', 'nbu-files'],
  ] as const) {
    await site.host(t, 'copy', '--lsu', from, '--image', name, '--to-lsu', to, '--to-image', `copy-${from}`);
    t.match(await site.host(t, 'list', '--lsu', to), new RegExp(`copy-${from}`));
  }
  await site.host(t, 'delete', '--lsu', 'nbu-files', '--image', 'daily');
  t.match(await ostHost(site, ['delete', '--lsu', 'nbu-s3', '--image', 'daily']), { code: 1 }, 'that one is locked');

  site.mounted = false;
  const told = await refuses(t, properties('nbu-files'), 'AGAIN');
  t.match(told.message, /is no NFS mount/);
  t.strictSame(await list(), ['nbu-files', 'nbu-s3'], 'it is not said to be gone');
  await site.host(t, 'restore', ...image('nbu-s3'));
  const refused = await ostHost(site, ['backup', '--lsu', 'nbu-files', '--image', 'lost', '--generate', '1M']);
  t.not(refused.code, 0, 'nothing is written into an empty directory');
  site.mounted = true;
  t.match(await properties('nbu-files'), { name: 'nbu-files' });

  await host.disconnect();
  await site.stop();
  const snapshots = (await api(sim, 'GET', '/snapshots/')).body as { name: string; path: string }[];
  t.match(snapshots, [{ name: /^vast-ost-nbu-files-/, path: /^\/vast-ost\/nbu-files/ }], 'of the one that wants it');

  // Here it is no mount.
  const looked = await site.cli('--json', 'doctor', 'test');
  const findings = looked.stdout.split('\n').filter((line) => line !== '');
  const verdicts = new Map(
    findings.map((line) => {
      const { subject, check, verdict, message } = JSON.parse(line);
      return [`${subject}: ${check}`, `${verdict} ${message}`];
    }),
  );
  t.match(verdicts.get('server test vms lsu nbu-files: view and space'), /^ok \/vast-ost\/nbu-files/);
  t.match(verdicts.get('server test lsu nbu-files: directory'), /^ok/);
  t.match(verdicts.get('server test lsu nbu-files: mount'), /^failure .*is no NFS mount/);
  t.match(verdicts.get('server test lsu nbu-files: probe image'), /^failure .*is no NFS mount/);
  t.match(verdicts.get('server test lsu nbu-s3: bucket policy'), /^ok/);
  t.match(verdicts.get('server test lsu nbu-s3: probe image'), /^ok/);

  rmSync(site.mount, { recursive: true });
  const kept = await site.cli('provision', 'test', '--teardown', '--dry-run');
  t.match(kept.stdout, /keep +view +\/vast-ost\/nbu-files +the LSU nbu-files holds data/, 'nobody can say');
});
