import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import { jsonLines, type Outcome, run } from './support.ts';

const KEYS = { accessKey: 'doctor', secretKey: 'doctor-secret' };

/** The doctor's findings as `subject: check` to verdict. */
function verdicts(outcome: Outcome): Record<string, string> {
  return Object.fromEntries(
    jsonLines(outcome)
      .filter(({ check }) => check !== undefined)
      .map(({ subject, check, verdict }) => [`${subject}: ${check}`, String(verdict)]),
  );
}

function configure(t: Test, servers: string): { folder: string; args: string[] } {
  const folder = t.testdir({ store: { lsu: {} }, openv: { lib: { 'ost-plugins': {} } } });
  const config = join(folder, 'vast-ost.conf');
  writeFileSync(
    config,
    `[engine]\nsocket = ${folder}/s\nstate_dir = ${folder}\n${servers.replaceAll('FOLDER', folder)}`,
  );
  const args = ['--config', config, 'doctor', '--plugins', join(folder, 'openv', 'lib', 'ost-plugins')];
  return { folder, args };
}

t.test('a directory store, its plugin, no engine', async (t) => {
  const { folder, args } = configure(t, '[server one]\nstore = file:FOLDER/store\n');
  const plugins = join(folder, 'openv', 'lib', 'ost-plugins');
  cpSync('build/libstspiVastData.so', join(plugins, 'libstspiVastData.so'));
  const env = { VAST_OST_PLUGIN_CONF: join(folder, 'plugin.conf') };
  writeFileSync(env.VAST_OST_PLUGIN_CONF, `socket = ${folder}/s\n`);
  const outcome = await run(['--json', ...args], { env });
  t.equal(outcome.code, 1);
  t.match(outcome.stderr, 'VOST_UNHEALTHY');
  t.match(verdicts(outcome), {
    'machine: digests': 'ok',
    'plugin: libstspiVastData.so': 'ok',
    'plugin: libstspiVastDataMT.so': 'failure',
    'plugin: configuration': 'ok',
    'engine: socket': 'failure',
    'server one: directory': 'ok',
    'server one: LSUs': 'ok',
    'server one lsu lsu: probe image': 'ok',
  });
  t.strictSame(readdirSync(join(folder, 'store', 'lsu')), [], 'the probe image leaves nothing');

  const readOnly = await run([...args, '--no-write'], { env });
  t.match(String(readOnly.stdout), /skipped +probe image +nothing is written/);
});

t.test('an S3 store', async (t) => {
  const { folder, args } = configure(t, '');
  mkdirSync(join(folder, 's3'));
  const sim = await startS3Sim({
    dir: join(folder, 's3'),
    host: '127.0.0.1',
    port: 0,
    checksumMode: 'reject',
    ...KEYS,
  });
  t.teardown(() => sim.close());
  const config = join(folder, 'vast-ost.conf');
  const credentials = join(folder, 'keys');
  writeFileSync(credentials, 'access_key_id = doctor\nsecret_access_key = doctor-secret\n', { mode: 0o600 });
  writeFileSync(
    config,
    `[server s3]\nstore = s3:${sim.url}\ns3_credentials_file = ${credentials}\n[server other]\nstore = s3:${sim.url}\n`,
  );
  const env = { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey };
  await run(['--store', `s3:${sim.url}`, 'backup', '--create-lsu', 'lsu-1', 'image', 'package.json'], { env });
  t.match(verdicts(await run(['--json', ...args, 's3'])), {
    'server s3: connection': 'ok',
    'server s3: clock': 'ok',
    'server s3: LSUs': 'ok',
    'server s3 lsu lsu-1: bucket policy': 'ok',
    'server s3 lsu lsu-1: probe image': 'ok',
  });
  const wrong = { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: 'canary-secret' };
  const refused = await run(['--json', ...args, 'other'], { env: wrong });
  t.match(verdicts(refused), { 'server other: LSUs': 'failure' });
  t.notMatch(`${refused.stdout}${refused.stderr}`, /canary-secret/);
});

t.test('a server that is not configured', async (t) => {
  const { args } = configure(t, '[server one]\nstore = file:FOLDER/store\n');
  const outcome = await run([...args, 'two']);
  t.equal(outcome.code, 2);
  t.match(outcome.stderr, /no section \[server two\][\s\S]*configured: one/);
});
