import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { readCredentialsFile } from '../../src/config/credentials-file.ts';
import { parseIni } from '../../src/config/ini.ts';
import { rotationFile } from '../../src/config/managed-files.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { readVmsLogin } from '../../src/config/vms-credentials-file.ts';
import { rotationsOf } from '../../src/ost/rotations.ts';
import { openServerStorage } from '../../src/ost/server-storage.ts';
import { VmsClient } from '../../src/vast/vms/client.ts';
import { ADMIN, provision, cluster as startSim } from '../sim/support.ts';
import { tempDir } from '../support/temp-dir.ts';

const DAY = 86_400_000;

async function site(t: Test, more = '') {
  const sim = await startSim(t);
  const dir = tempDir();
  mkdirSync(join(dir, 'state'));
  const credentials = join(dir, 'vms');
  const settings = buildSettings(
    parseIni(
      `[engine]\nstate_dir = ${dir}/state\n[server prod]\nstore = s3:${sim.urls[0]}\ns3_user = u-bucket\n` +
        `vms = https://unused\nvms_credentials_file = ${credentials}\n${more}`,
      'x',
    ),
  );
  const server = settings.servers.get('prod');
  if (server === undefined) throw new Error('no server');
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const client = new VmsClient({
    origin: new URL(sim.vmsUrl),
    credentials: async () => (await readVmsLogin(credentials)).credentials,
    policy: { retries: 0 },
  });
  t.teardown(() => client.close());
  /** As after that time: the journal says that the last rotation was so long ago. */
  const run = async (what: 'keys' | 'token', agoMs: number): Promise<void> => {
    const path = rotationFile('prod', what, settings);
    const state = JSON.parse(readFileSync(path, 'utf8')) as { since: number; retiring?: { at: number } };
    if (state.retiring !== undefined) state.retiring.at -= agoMs;
    writeFileSync(path, JSON.stringify({ ...state, since: state.since - agoMs }));
    await look();
  };
  const look = async (): Promise<void> => {
    const rotations = rotationsOf('prod', settings, server, client, log);
    await rotations.settled();
    await rotations.close();
  };
  return { sim, dir, credentials, settings, server, client, lines, log, look, run };
}

t.test('S3 keys are replaced under a running image', async (t) => {
  const { sim, dir, credentials, settings, server, client, lines, log, look, run } = await site(t);
  writeFileSync(credentials, `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`, { mode: 0o600 });
  const { keys } = await provision(t, sim, 'bucket');
  const file = join(dir, 'state', 's3-prod.credentials');
  writeFileSync(file, `access_key_id = ${keys.access_key}\nsecret_access_key = ${keys.secret_key}\n`, { mode: 0o600 });
  const storage = openServerStorage('prod', server, settings, log);
  t.teardown(() => storage.close());
  const store = await storage.open('bucket');
  const upload = await store.createUpload('netbackup/image');
  const body = [Buffer.alloc(5 * 2 ** 20)];
  const part = (number: number) => upload.putPart({ number, offset: 0, body, size: 5 * 2 ** 20 });

  await look();
  t.equal(client.calls, 0, 'a look costs no request');
  const parts = [await part(1)];
  await run('keys', DAY);
  const made = await readCredentialsFile(file);
  t.not(made.accessKeyId, keys.access_key);
  t.equal(statSync(file).mode & 0o777, 0o600);
  parts.push(await part(2));
  const active = async (): Promise<number> =>
    (await client.users.list()).find(({ name }) => name === 'u-bucket')?.access_keys?.length ?? 0;
  t.equal(await active(), 2);
  await run('keys', 3_700_000);
  t.equal(await active(), 1, 'the old one is gone');
  parts.push(await part(3));
  t.match(await upload.complete(parts), { size: 15 * 2 ** 20 });
  t.match(lines.join(''), /"outcome":"replaced".*"outcome":"retired"/s);
  t.notMatch(lines.join(''), new RegExp(`${ADMIN.password}|${made.secretAccessKey}|${keys.secret_key}`));
});

t.test('an API token replaces itself; a password is left alone', async (t) => {
  const { credentials, client, lines, look, run } = await site(t, 's3_credentials_file = /none\n');
  writeFileSync(credentials, `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`, { mode: 0o600 });
  await look();
  const { token } = await client.createApiToken(ADMIN.username, 'first', '1d');
  writeFileSync(credentials, `user = ${ADMIN.username}\ntoken = ${token}\n`, { mode: 0o600 });
  await look();
  for (let day = 0; day < 3; day += 1) {
    const before = (await readVmsLogin(credentials)).credentials;
    await run('token', DAY);
    t.notSame((await readVmsLogin(credentials)).credentials, before, `day ${day}`);
    await run('token', 3_700_000);
    t.ok(await client.quotas.list(), 'and it is good');
  }
  const { user, tokenId } = await readVmsLogin(credentials);
  t.equal(user, ADMIN.username);
  const names = (await client.apiTokens(ADMIN.username)).map(({ id, name }) => [name, id === tokenId]);
  t.same(names.sort(), [
    ['first', false],
    ['vast-ost-prod', true],
  ]);
  t.notMatch(lines.join(''), new RegExp(token));
});

t.test('what cannot be rotated is said, and tried again', async (t) => {
  const { credentials, lines, look } = await site(t);
  writeFileSync(credentials, 'nonsense', { mode: 0o600 });
  await look();
  t.match(lines.join(''), /"what":"token".*credentials could not be rotated/);
  const never = await site(t, 'rotate_hours = 0\n');
  await never.look();
  t.equal(never.lines.join(''), '');
});
