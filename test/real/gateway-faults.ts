/** Faults that real gateways, a real object store and a real user database give. The leg's script started all of them. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { jsonLines } from '../cli/support.ts';
import { Backup, errorOf, imagesOf, keys, restoredDigest, script, setting, signalDaemon, vastOst } from './support.ts';

const [ONE = '', TWO = '', THREE = ''] = setting('REAL_STORES').split(' ');
const TLS = setting('REAL_TLS_STORE');
let serial = 0;

function freshLsu(): string {
  serial += 1;
  return `faults-${process.pid}-${serial}`;
}

/** libfaketime, which `faketime` preloads, moves the clock that a program sees. */
function faked(shift: string): Record<string, string> {
  return { LD_PRELOAD: setting('REAL_FAKETIME'), FAKETIME: shift, DONT_FAKE_MONOTONIC: '1' };
}

t.test('the quota is exceeded', async (t) => {
  const lsu = freshLsu();
  const quota = (...args: string[]) => script('ceph', 'admin', 'quota', ...args, '--quota-scope=bucket', '--uid=test');
  await quota('set', `--max-size=${30 * 2 ** 20}`);
  await quota('enable');
  try {
    const backup = new Backup(ONE, lsu, 'over-quota');
    await backup.feed(150);
    const outcome = await backup.end();
    t.equal(outcome.code, 6, outcome.stderr);
    t.match(errorOf(outcome), { code: 'VOST_NO_SPACE', failure: 'capacity', advice: /quota/ });
    t.same(await imagesOf(ONE, lsu), [], 'nothing of it is left');
  } finally {
    await quota('disable');
  }
  const again = new Backup(ONE, lsu, 'over-quota');
  await again.feed(40);
  t.equal((await again.end()).code, 0, 'and with more quota it is well');
});

t.test('the access key is removed and made again', async (t) => {
  const lsu = freshLsu();
  const old = keys();
  const key = ['--uid=test', '--key-type=s3', `--access-key=${old['AWS_ACCESS_KEY_ID']}`];
  const backup = new Backup(ONE, lsu, 'lost-key');
  await backup.feed(40);
  await script('ceph', 'admin', 'key', 'rm', ...key);
  await backup.feed(80);
  const outcome = await backup.end();
  t.equal(outcome.code, 5, outcome.stderr);
  t.match(errorOf(outcome), { code: 'VOST_CREDENTIALS', failure: 'credentials', advice: /access key/ });
  const secret = old['AWS_SECRET_ACCESS_KEY'] ?? '';
  t.notMatch(outcome.stderr, secret, 'the secret is not told');
  await script('ceph', 'admin', 'key', 'create', ...key, `--secret-key=${secret}`);
  t.notOk((await imagesOf(ONE, lsu)).some(({ state }) => state === 'complete'));
  const again = new Backup(ONE, lsu, 'key-again');
  await again.feed(20);
  t.equal((await again.end()).code, 0);
});

t.test('keys are rotated in mid-backup', async (t) => {
  const lsu = freshLsu();
  const home = await mkdtemp(join(tmpdir(), 'rotated-'));
  const file = join(home, 'credentials');
  const save = (key: string, secret: string) =>
    writeFile(file, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = ${secret}\n`, { mode: 0o600 });
  const first = ['--uid=test', '--key-type=s3', '--access-key=first'];
  const second = ['--uid=test', '--key-type=s3', '--access-key=second'];
  await script('ceph', 'admin', 'key', 'create', ...first, '--secret-key=firstsecret');
  await save('first', 'firstsecret');
  const env = { AWS_SHARED_CREDENTIALS_FILE: file, AWS_EC2_METADATA_DISABLED: 'true' };
  const backup = new Backup(ONE, lsu, 'rotated', [], env);
  await backup.feed(40);
  await script('ceph', 'admin', 'key', 'create', ...second, '--secret-key=secondsecret');
  await save('second', 'secondsecret');
  await script('ceph', 'admin', 'key', 'rm', ...first);
  await backup.feed(80);
  const outcome = await backup.end();
  t.equal(outcome.code, 0, outcome.stderr);
  t.equal(await restoredDigest(TWO, lsu, 'rotated'), outcome.sha256);
  await script('ceph', 'admin', 'key', 'rm', ...second);
});

t.test('a clock that is hours off does not stop a backup', async (t) => {
  for (const shift of ['+3h', '-3h']) {
    const lsu = freshLsu();
    const backup = new Backup(ONE, lsu, `clock${shift}`, ['--date', '1'], { ...keys(), ...faked(shift) });
    await backup.feed(12);
    const outcome = await backup.end();
    t.equal(outcome.code, 0, outcome.stderr);
    const { time } = JSON.parse((await readFile(backup.log, 'utf8')).split('\n')[0] ?? '') as { time: number };
    t.ok(Math.abs(time - Date.now()) > 2 * 3_600_000, 'the command saw another time');
    t.equal(await restoredDigest(TWO, lsu, `clock${shift}`), outcome.sha256);
  }
});

t.test('a clock that certificates are not valid at is told', async (t) => {
  for (const [shift, message] of [
    ['-2y', /not yet valid/],
    ['+2y', /expired/],
  ] as const) {
    const outcome = await vastOst(TLS, ['list'], { ...keys(), ...faked(shift) });
    t.equal(outcome.code, 5, outcome.stderr);
    t.match(errorOf(outcome), { code: 'VOST_TLS_TRUST', message, advice: /clock/ });
  }
});

t.test('wrong keys are told as such', async (t) => {
  const { AWS_ACCESS_KEY_ID = '' } = keys();
  for (const env of [
    { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: 'canary-of-a-secret' },
    { AWS_ACCESS_KEY_ID: 'unknown', AWS_SECRET_ACCESS_KEY: 'canary-of-a-secret' },
  ]) {
    const outcome = await vastOst(ONE, ['list', freshLsu()], env);
    t.equal(outcome.code, 5);
    t.match(errorOf(outcome), { code: 'VOST_CREDENTIALS', advice: /access key/ });
    t.notMatch(outcome.stderr + outcome.stdout, /canary/);
  }
});

t.test('a gateway is killed in mid-backup and comes back', async (t) => {
  const lsu = freshLsu();
  const backup = new Backup(ONE, lsu, 'killed-gateway');
  await backup.feed(60);
  await script('ceph', 'kill', 'gateway-1');
  const rest = backup.feed(60);
  t.ok(await backup.retried(), 'the backup noticed');
  await script('ceph', 'gateway', '1');
  await rest;
  const outcome = await backup.end();
  t.equal(outcome.code, 0, outcome.stderr);
  t.ok(Number(jsonLines(outcome)[0]?.['retries']) > 0);
  t.equal((await vastOst(TWO, ['verify', lsu])).code, 0);
  t.equal(await restoredDigest(THREE, lsu, 'killed-gateway'), outcome.sha256);
});

t.test('a gateway that stays away fails the backup, and the others still serve', async (t) => {
  const lsu = freshLsu();
  const backup = new Backup(ONE, lsu, 'lost-gateway', ['--retry-seconds', '3']);
  await backup.feed(60);
  await script('ceph', 'kill', 'gateway-1');
  t.teardown(() => script('ceph', 'gateway', '1'));
  await backup.feed(60);
  const outcome = await backup.end();
  t.equal(outcome.code, 8, outcome.stderr);
  t.match(errorOf(outcome), { failure: 'retryable' });
  t.notOk((await imagesOf(TWO, lsu)).some(({ state }) => state === 'complete'));
  const gc = ['gc', lsu, '--older-than', '0s', '--pending-older-than', '0s'];
  t.equal((await vastOst(THREE, gc)).code, 0);
  t.same(await imagesOf(TWO, lsu), []);
});

t.test('three gateways are the VIPs of one storage; one is killed and another one stands still', async (t) => {
  const lsu = freshLsu();
  const endpoints = ['--endpoints', [1, 2, 3].map((at) => `http://127.0.28.${at}:28000`).join(',')];
  const backup = new Backup(ONE, lsu, 'vips', endpoints);
  await backup.feed(40);
  await script('ceph', 'kill', 'gateway-1');
  t.teardown(() => script('ceph', 'gateway', '1'));
  await backup.feed(40);
  await signalDaemon('gateway-2', 'SIGSTOP');
  const rest = backup.feed(40);
  t.ok(await backup.retried(), 'requests went on elsewhere');
  await rest;
  const outcome = await backup.end();
  await signalDaemon('gateway-2', 'SIGCONT');
  t.equal(outcome.code, 0, outcome.stderr);
  t.equal(await restoredDigest(THREE, lsu, 'vips'), outcome.sha256);
});

t.test('the object store stands still for 20 s', async (t) => {
  const lsu = freshLsu();
  const backup = new Backup(TWO, lsu, 'stopped-osd');
  await backup.feed(40);
  await signalDaemon('osd', 'SIGSTOP');
  const rest = backup.feed(80);
  try {
    await delay(20_000);
    t.notOk(backup.ended, 'the backup waits');
  } finally {
    await signalDaemon('osd', 'SIGCONT');
  }
  await rest;
  const outcome = await backup.end();
  t.equal(outcome.code, 0, outcome.stderr);
  t.equal(await restoredDigest(ONE, lsu, 'stopped-osd'), outcome.sha256);
});
