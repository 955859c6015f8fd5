import { execFile } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { promise } from '../support/promise.ts';

const exec = promisify(execFile);
const install = (root: string) => exec('deploy/install', [root]);

t.test('the unit lets the engine leave no core dump', (t) => {
  const unit = readFileSync('deploy/vast-ost.service', 'utf8');
  t.match(unit, /^LimitCORE=0$/m);
  t.match(unit, /^ExecStart=\/opt\/vast-ost\/bin\/vast-ost serve$/m);
  t.match(unit, /^UMask=0027$/m);
  t.end();
});

t.test('what is installed runs from where it is', async (t) => {
  const root = t.testdir({ store: { lsu: {} } });
  await install(root);
  const home = join(root, 'opt', 'vast-ost');
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const program = await exec(join(home, 'bin', 'vast-ost'), ['--version']);
  t.equal(program.stdout.trim(), version);
  const listed = await exec(join(home, 'bin', 'vast-ost'), ['--store', `file:${join(root, 'store')}`, 'list']);
  t.match(listed.stdout, 'lsu');
  const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };
  const traced = await exec(join(home, 'bin', 'vast-ost'), ['--store', `file:${join(root, 'store')}`, 'list'], { env });
  t.match(traced.stderr, 'vast-ost: traces: ', 'what sends traces is there, and what takes them is not');
  const plugins = join(root, 'usr', 'openv', 'lib', 'ost-plugins');
  const library = join(plugins, 'libstspiVastData.so');
  const host = await exec(join(home, 'bin', 'ost-host'), ['info', '-pi', '--library', library]);
  t.match(host.stdout, `Version: ${version}`);
  t.notOk(existsSync(join(home, 'node_modules', 'tap')), 'nothing that only tests need');
  t.ok(existsSync(join(home, 'grafana', 'dashboards', 'overview.json')), 'the dashboards, where provisioning looks');
  const config = join(root, 'etc', 'vast-ost', 'vast-ost.conf');
  t.equal(statSync(config).mode & 0o777, 0o640);

  writeFileSync(config, '# mine\n');
  await install(root);
  t.equal(readFileSync(config, 'utf8'), '# mine\n', 'installing again keeps the configuration');
  t.same(readdirSync(join(root, 'opt')), ['vast-ost'], 'and leaves nothing else behind');
  t.same(readdirSync(plugins).sort(), ['libstspiVastData.so', 'libstspiVastDataMT.so']);
});

t.test('what is installed is written by its owner only', async (t) => {
  promise({
    row: 'security',
    promise: 'Installed programs, libraries and configurations can be changed by their owner only',
    fault: 'make install under umask 000',
  });
  const root = t.testdir({});
  const before = process.umask(0);
  t.teardown(() => process.umask(before));
  await install(root);
  const entries = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name));
  const seen = entries.map((path) => ({ path, stat: lstatSync(path) })).filter(({ stat }) => !stat.isSymbolicLink());
  t.ok(seen.length > 100);
  t.strictSame(
    seen.filter(({ stat }) => (stat.mode & 0o022) !== 0 || stat.uid !== process.getuid?.()).map(({ path }) => path),
    [],
  );
});
