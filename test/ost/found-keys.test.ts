import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { readKeyInFile } from '../../src/config/credentials-file.ts';
import { parseIni } from '../../src/config/ini.ts';
import { managedKeysFile, rotationFile } from '../../src/config/managed-files.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { FoundKeys } from '../../src/ost/found-keys.ts';
import { rotationsOfFound } from '../../src/ost/rotations.ts';
import { VmsClient } from '../../src/vast/vms/client.ts';
import { ADMIN, provision, cluster as startSim } from '../sim/support.ts';
import { refusal } from '../support/refusal.ts';
import { tempDir } from '../support/temp-dir.ts';

const MAKING = { where: 'vms', method: 'POST', path: '/users/' } as const;

/** A cluster with the bucket `lsu-1` of the user `u-lsu-1`, who has one key of somebody else's. */
async function site(t: Test) {
  const sim = await startSim(t);
  const { keys } = await provision(t, sim, 'lsu-1');
  const dir = tempDir();
  const state = join(dir, 'state');
  mkdirSync(state);
  const settings = buildSettings(parseIni(`[engine]\nstate_dir = ${state}\n`, 'x'));
  const credentials = async () => ({ kind: 'password', user: ADMIN.username, password: ADMIN.password }) as const;
  const client = new VmsClient({ origin: new URL(sim.vmsUrl), credentials, policy: { retries: 0 } });
  t.teardown(() => client.close());
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const time = { now: 0 };
  const found = new FoundKeys({
    id: 'vast9',
    settings,
    client,
    views: () => client.views.list(),
    user: () => ADMIN.username,
    log,
    now: () => time.now,
  });
  const owned = async (): Promise<string[]> => {
    const row = (await client.users.list()).find(({ name }) => name === 'u-lsu-1');
    return (row?.access_keys ?? []).map(({ access_key }) => access_key);
  };
  const file = managedKeysFile('vast9', settings);
  return { sim, client, settings, state, file, found, time, lines, log, owned, theirs: keys.access_key };
}

t.test('made once, whoever asks, and kept', async (t) => {
  const { client, file, found, owned, lines } = await site(t);
  t.same(await found.buckets(), ['lsu-1']);
  t.notOk(await found.present());
  await Promise.all(Array.from({ length: 20 }, () => found.ensure()));
  t.equal((await owned()).length, 2);
  t.ok(await found.present());
  t.equal(statSync(file).mode & 0o777, 0o600);
  const key = await readKeyInFile(file);
  t.equal(key?.user, 'u-lsu-1');
  t.ok((await owned()).includes(key?.accessKeyId ?? ''));
  const { calls } = client;
  await found.ensure();
  t.equal(client.calls, calls, 'a key that is there costs no request');
  const secret = /secret_access_key = (.+)/.exec(readFileSync(file, 'utf8'))?.[1];
  t.ok(secret);
  t.notOk(lines.join('').includes(secret ?? ''));
});

t.test('rotated like the others, but never one that somebody put there', async (t) => {
  const { client, settings, file, found, log, owned, sim, theirs } = await site(t);
  const look = async (): Promise<void> => {
    const rotations = rotationsOfFound('vast9', settings, client, log);
    await rotations.settled();
    await rotations.close();
  };
  const age = (ms: number): void => {
    const path = rotationFile('vast9', 'keys', settings);
    const state = JSON.parse(readFileSync(path, 'utf8')) as { since: number; retiring?: { at: number } };
    if (state.retiring !== undefined) state.retiring.at -= ms;
    writeFileSync(path, JSON.stringify({ ...state, since: state.since - ms }));
  };
  await found.ensure();
  const first = await readKeyInFile(file);
  const user = (await client.users.list()).find(({ name }) => name === 'u-lsu-1');
  await client.removeAccessKey(user?.id ?? 0, theirs);
  await look();
  t.same(await readKeyInFile(file), first, 'not yet');
  age(86_400_000);
  await look();
  const second = await readKeyInFile(file);
  t.equal(second?.user, 'u-lsu-1', 'the file still says whose it is');
  t.not(second?.accessKeyId, first?.accessKeyId);
  age(3_700_000);
  await look();
  t.same(await owned(), [second?.accessKeyId]);

  const { accessKey, secretKey } = sim.credentials;
  const text = `access_key_id = ${accessKey}\nsecret_access_key = ${secretKey}\n`;
  writeFileSync(file, text, { mode: 0o600 });
  age(86_400_000);
  await look();
  await found.ensure();
  t.equal(readFileSync(file, 'utf8'), text);
});

t.test('who may not make keys hears what to do, and is not asked again at once', async (t) => {
  const { sim, client, file, found, time, lines, owned, theirs } = await site(t);
  const body = { detail: 'permission_denied' };
  sim.faults.apply({ rules: [{ ...MAKING, effect: { kind: 'status', status: 403, body } }] });
  const wrong = refusal('access', {
    code: 'VOST_FOUND_KEYS',
    message: /u-lsu-1/,
    advice: new RegExp(`write .*${file}`),
  });
  for (const { status } of await Promise.allSettled(Array.from({ length: 8 }, () => found.ensure())))
    t.equal(status, 'rejected');
  await t.rejects(found.ensure(), wrong);
  const { calls } = client;
  await t.rejects(found.ensure(), wrong);
  t.equal(client.calls, calls, 'held');
  t.equal(lines.filter((line) => line.includes('no S3 keys could be made')).length, 1);
  sim.faults.apply({ rules: [] });
  time.now += 30_001;
  await found.ensure();
  t.equal((await owned()).length, 2);
  t.ok((await owned()).includes(theirs));
});

t.test('a key whose answer was lost does not stay', async (t) => {
  const { sim, file, found, owned, theirs } = await site(t);
  sim.faults.apply({ rules: [{ ...MAKING, count: 1, effect: { kind: 'lose-answer' } }] });
  await t.rejects(found.ensure(), refusal('retryable'));
  t.equal((await owned()).length, 2);
  await found.ensure();
  const key = await readKeyInFile(file);
  t.same((await owned()).sort(), [theirs, key?.accessKeyId ?? ''].sort());
});

t.test('a key that cannot be kept is not left behind', async (t) => {
  const { state, found, owned, theirs } = await site(t);
  rmSync(state, { recursive: true });
  await t.rejects(found.ensure(), 'there is nowhere to note it');
  t.same(await owned(), [theirs]);
});

t.test('two keys are all that a user may have', async (t) => {
  const { client, found } = await site(t);
  const user = (await client.users.list()).find(({ name }) => name === 'u-lsu-1');
  await client.createAccessKey(user?.id ?? 0, 1);
  await t.rejects(found.ensure(), refusal('access', { code: 'VOST_FOUND_KEYS', message: /2 already.*u-lsu-1/ }));
});

t.test('buckets of several users, and none at all', async (t) => {
  const { sim, found, client, time } = await site(t);
  await provision(t, sim, 'lsu-2');
  const several = refusal('access', { code: 'VOST_BUCKET_OWNER' });
  await t.rejects(found.ensure(), several);
  await t.rejects(found.buckets(), several);
  for (const { id } of await client.views.list()) await client.views.remove(id);
  t.same(await found.buckets(), []);
  time.now += 30_001;
  await t.rejects(found.ensure(), refusal('access', { code: 'VOST_FOUND_KEYS', message: /sees no S3 bucket/ }));
});
