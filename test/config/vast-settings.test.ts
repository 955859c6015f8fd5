import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { wantedOf } from '../../src/cli/wanted.ts';
import { parseIni } from '../../src/config/ini.ts';
import { keysFileOf } from '../../src/config/managed-files.ts';
import { openVms } from '../../src/config/open-vms.ts';
import { buildSettings, type ServerSettings, type Settings } from '../../src/config/settings.ts';
import { fromUserAndPassword, readVmsLogin } from '../../src/config/vms-credentials-file.ts';
import { writeSecretFile } from '../../src/config/write-secret-file.ts';
import { refusal } from '../support/refusal.ts';

const build = (text: string): Settings => buildSettings(parseIni(text, 'x.conf'));
const SERVER = '[server a]\nstore = s3:https://h:1\n';
const VMS = `${SERVER}vms = https://vms.example:8443\nvms_credentials_file = /c\n`;
const serverOf = (settings: Settings): ServerSettings => settings.servers.get('a') as ServerSettings;

t.test('what a VAST cluster adds to a server’s section', async (t) => {
  const settings = build(`${VMS}
tenant = blue
lsus = one, three
view_path = /nbu/prod
s3_user = nbu
abort_uploads_days = 3
[lsu a/two]
quota = 1.5T
object_lock = compliance
default_retention = 30d
path = /elsewhere/two
[lsu a/one]
soft_quota = 1G
`);
  const server = serverOf(settings);
  t.match(server, { vms: 'https://vms.example:8443', tenant: 'blue', rotate_hours: 24, data: undefined });
  t.equal(server.event_interval, 60_000);
  t.equal(keysFileOf('a', settings, server), '/var/lib/vast-ost/s3-a.credentials', 'keys that we manage');
  t.equal(keysFileOf('a', settings, { s3_credentials_file: '/k' }), '/k');
  t.equal(keysFileOf('a', settings, {}), undefined, 'what AWS tools use');
  const lock = { mode: 'COMPLIANCE', defaultRetention: '30d', minRetention: undefined, maxRetention: undefined };
  t.same(wantedOf('a', settings, server), {
    server: 'a',
    data: 's3',
    tenant: 'blue',
    policy: undefined,
    user: 'nbu',
    viewPath: '/nbu/prod',
    nfsClients: [],
    abortUploadsDays: 3,
    lsus: [
      { name: 'one', path: '/nbu/prod/one', data: 's3', quota: undefined, softQuota: 2 ** 30, versioning: false },
      { name: 'three', path: '/nbu/prod/three', data: 's3', versioning: false },
      {
        name: 'two',
        path: '/elsewhere/two',
        data: 's3',
        quota: 1.5 * 2 ** 40,
        softQuota: undefined,
        versioning: false,
        lock,
      },
    ],
  });
  const nfs = build('[server a]\nstore = file:/mnt\ndata = nfs\nnfs_clients = 10.0.0.0/8, host-1\n');
  t.match(wantedOf('a', nfs, serverOf(nfs)), { data: 'nfs', user: 'vast-ost-a', nfsClients: ['10.0.0.0/8', 'host-1'] });
});

t.test('mistakes', async (t) => {
  const bad = (text: string, message: RegExp): void =>
    void t.throws(() => build(text), refusal('usage', { code: 'VOST_CONFIG', message }));
  for (const address of ['http://h', 'https://', 'h', 'https://h/api', 'https://h?x']) {
    bad(`${SERVER}vms = ${address}\n`, /give https:\/\/HOST/);
  }
  bad(`${SERVER}vms = https://root:canary@h\n`, /^((?!canary).)*$/);
  bad(`${SERVER}vms = https://h\n`, /vms needs vms_credentials_file/);
  bad(`${SERVER}vip_pool = main\n`, /vip_pool needs vms/);
  bad(`${VMS}vip_pool = main\ndns_name = data.example\n`, /one of vip_pool, endpoints and dns_name/);
  bad(`${SERVER}data = nfs\n`, /does not fit its store/);
  bad(`${SERVER}tenant = a b\n`, /tenant = a b/);
  bad(`${SERVER}view_path = /a/\n`, /without a trailing slash/);
  bad(`${SERVER}view_path = a\n`, /absolute path/);
  bad(`${SERVER}rotate_hours = -1\n`, /rotate_hours/);
  bad(`${SERVER}event_interval = 5\n`, /give a time such as/);
  bad(`${SERVER}event_interval = 500ms\n`, /give 1s at least/);
  bad(`${SERVER}event_interval = 2h\n`, /give 1h at most/);
  bad('[lsu b/one]\nquota = 1G\n', /names the server b, which has no section/);
  bad('[lsu one]\nquota = 1G\n', /names no LSU/);
  bad(`${SERVER}[lsu a/one]\nquota = much\n`, /give a size/);
  bad(`${SERVER}[lsu a/one]\ndefault_retention = 3m\n`, /give a period/);
  bad(`${SERVER}[lsu a/one]\nsize = 1\n`, /has no key size/);
  t.throws(() => openVms('a', serverOf(build(SERVER))), refusal('usage', { code: 'VOST_NO_VMS' }));
});

t.test('credentials for VMS', async (t) => {
  const dir = t.testdir({});
  const path = join(dir, 'vms');
  const pem = join(dir, 'cert.pem');
  const write = (file: string, text: string, mode = 0o600): void => {
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  const KEY = '-----BEGIN PRIVATE KEY-----\ncanary\n';
  write(pem, `-----BEGIN CERTIFICATE-----\nx\n${KEY}`);
  const certificate = { kind: 'certificate', certificate: readFileSync(pem, 'utf8'), key: readFileSync(pem, 'utf8') };
  const good: [string, unknown, string | undefined][] = [
    ['user = u\npassword = "p = q"\n', { kind: 'password', user: 'u', password: 'p = q' }, 'u'],
    ['token = abc\n', { kind: 'token', token: 'abc' }, undefined],
    [`user = u\npassword = cert:${pem}\n`, certificate, 'u'],
    [`certificate = ${pem}\n`, certificate, undefined],
  ];
  for (const [text, credentials, user] of good) {
    write(path, text);
    t.strictSame(await readVmsLogin(path), { credentials, user, tokenId: undefined }, text.slice(0, 12));
  }
  t.strictSame(await fromUserAndPassword('u', `cert:${pem}`), certificate, 'as NetBackup gives it');
  t.strictSame(await fromUserAndPassword('u', 'cert:relative'), {
    kind: 'password',
    user: 'u',
    password: 'cert:relative',
  });
  const bad = async (message: RegExp): Promise<void> => {
    const error = await readVmsLogin(path).catch((thrown) => thrown);
    t.match(error, refusal('credentials', { code: 'VOST_CREDENTIALS', message }));
    t.notMatch(String(error.stack) + String(error.cause), /canary/);
  };
  write(path, 'user = canary\n');
  await bad(/must set user and password, or token, or certificate/);
  write(path, 'user = u\npassword = canary\n', 0o644);
  await bad(/readable by everybody/);
  write(path, 'canary');
  await bad(/malformed/);
  write(path, 'x'.repeat(70_000));
  await bad(/too large/);
  write(path, `certificate = ${pem}\n`);
  write(pem, KEY);
  await bad(/a certificate and its private key/);
  write(path, `certificate = ${dir}/none\n`);
  await bad(/cannot be read/);
});

t.test('secret files are replaced whole, and for their owner alone', async (t) => {
  const dir = t.testdir({});
  const path = join(dir, 'keys');
  await writeSecretFile(path, { access_key_id: 'A', secret_access_key: 'canary' });
  await writeSecretFile(path, { access_key_id: 'B', secret_access_key: 's' });
  t.equal(readFileSync(path, 'utf8'), 'access_key_id = B\nsecret_access_key = s\n');
  t.equal(statSync(path).mode & 0o777, 0o600);
  mkdirSync(join(dir, 'folder'));
  const error = await writeSecretFile(join(dir, 'folder'), { secret_access_key: 'canary' }).catch((thrown) => thrown);
  t.match(error, refusal('access', { code: 'VOST_CREDENTIALS_WRITE' }));
  t.notMatch(JSON.stringify([error, String(error.cause)]), /canary/);
  t.same(readdirSync(dir), ['folder', 'keys'], 'nothing is left behind');
  await t.rejects(writeSecretFile(join(dir, 'none', 'keys'), {}), refusal('access'));
  t.notOk(existsSync(join(dir, 'none')));
});
