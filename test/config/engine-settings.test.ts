import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readCredentialsFile } from '../../src/config/credentials-file.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { refusal } from '../support/refusal.ts';

const build = (text: string) => buildSettings(parseIni(text, 'x.conf'));

t.test('storage servers have sections of their own', async (t) => {
  const { servers, engine } = build(`
[server vast1]
store = s3:https://s3.vast1.example.com:443
label = "first floor"
[engine]
allowed_uids = 0, 1001
socket_mode = 0600
[server  vast-2.b ]
store = file:/mnt/vast2
[server vast1]
s3_region = eu
endpoints = https://10.0.0.1, https://10.0.0.2
`);
  t.strictSame([...servers.keys()], ['vast1', 'vast-2.b']);
  t.match(servers.get('vast1'), {
    store: 's3:https://s3.vast1.example.com:443',
    label: 'first floor',
    s3_region: 'eu',
    endpoints: 'https://10.0.0.1, https://10.0.0.2',
    connections_per_vip: 64,
  });
  t.match(servers.get('vast-2.b'), { store: 'file:/mnt/vast2', label: '' });
  t.match(engine, {
    allowed_uids: [0, 1001],
    socket_mode: 0o600,
    max_sessions: 1024,
    socket: '/run/vast-ost/ost.sock',
  });
  t.equal(build('').servers.size, 0);
});

t.test('mistakes are named with file and line', async (t) => {
  const bad = (text: string, message: RegExp, advice?: RegExp) =>
    t.throws(() => build(text), refusal('usage', { code: 'VOST_CONFIG', message, ...(advice ? { advice } : {}) }));
  bad('[server a]\nlabel = x\n', /^x\.conf:2: \[server a\] needs the key store$/);
  bad('[server a]\nstore = file:/a\nsecret = x\n', /^x\.conf:3: \[server a\] has no key secret$/, /store, label/);
  bad('[server a b]\nstore = file:/a\n', /^x\.conf:2: "a b" cannot be a storage server's name$/, /\[server vast1\]/);
  bad('[server ../x]\nstore = file:/a\n', /cannot be a storage server's name/);
  bad(
    '[servers]\nstore = file:/a\n',
    /^x\.conf:2: there is no section \[servers\]$/,
    /engine, metrics, console, server NAME/,
  );
  bad('[engine]\nsocket = relative\n', /^x\.conf:2: socket = relative: /);
  bad('[engine]\nsocket_mode = rw\n', /give an octal mode/);
  bad('[engine]\nallowed_uids = root\n', /give numbers separated by commas/);
  bad('[engine]\nmax_sessions = 0\n', /max_sessions = 0/);
});

t.test('credentials files', async (t) => {
  const path = join(t.testdir(), 'keys');
  const write = (text: string, mode = 0o600) => {
    writeFileSync(path, text);
    chmodSync(path, mode);
  };
  write('# keys\naccess_key_id = AKIA\nsecret_access_key = "hush = hush"\n');
  t.strictSame(await readCredentialsFile(path), { accessKeyId: 'AKIA', secretAccessKey: 'hush = hush' });
  write('access_key_id = A\nsecret_access_key = hush\nsession_token = t\n', 0o640);
  t.equal((await readCredentialsFile(path)).sessionToken, 't');

  const refused = async (message: RegExp) => {
    const error = await readCredentialsFile(path).catch((error: unknown) => error);
    t.match(error, { code: 'VOST_CREDENTIALS', failure: 'credentials', message });
    t.notMatch(JSON.stringify(error) + String(error), /hush/, 'without what it holds');
  };
  write('access_key_id = A\nsecret_access_key = hush\n', 0o644);
  await refused(/readable by everybody/);
  write('access_key_id = A\n');
  await refused(/must set/);
  write('access_key_id = A\nhush\n');
  await refused(/malformed/);
  write('x'.repeat(70_000));
  await refused(/too large/);
  t.match(await readCredentialsFile(`${path}.none`).catch((error: unknown) => error), { message: /cannot be read/ });
});

t.test('the schedule of the scrub', async (t) => {
  const server = (lines: string) => build(`[server v]\nstore = file:/v\n${lines}`).servers.get('v');
  t.match(server(''), { scrub_interval: undefined, scrub_rate: 50 * 2 ** 20 });
  t.match(server('scrub_interval = 30d\nscrub_rate = 1.5G'), {
    scrub_interval: 2_592_000_000,
    scrub_rate: 1.5 * 2 ** 30,
  });
  for (const wrong of ['scrub_interval = 30', 'scrub_interval = 0d', 'scrub_rate = 10K', 'scrub_rate = fast'])
    t.throws(() => server(wrong), refusal('usage', { code: 'VOST_CONFIG' }), wrong);
});
