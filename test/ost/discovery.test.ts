import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings, type Settings } from '../../src/config/settings.ts';
import { EngineError } from '../../src/errors.ts';
import { type HostLogin, type LookFor, lookForServer } from '../../src/ost/discovery.ts';
import { ServerRegistry } from '../../src/ost/server-registry.ts';
import type { StorageServer } from '../../src/ost/storage-server.ts';
import { VmsClient } from '../../src/vast/vms/client.ts';
import { ADMIN, provision, cluster as startSim } from '../sim/support.ts';
import { refusal } from '../support/refusal.ts';
import { tempDir } from '../support/temp-dir.ts';

const GOOD: HostLogin = { user: ADMIN.username, secret: ADMIN.password };
const BAD: HostLogin = { user: ADMIN.username, secret: 'canary-bad' };

function settingsIn(): Settings {
  const dir = tempDir();
  mkdirSync(join(dir, 'store'));
  mkdirSync(join(dir, 'state'));
  return buildSettings(
    parseIni(`[engine]\nstate_dir = ${dir}/state\n[server known]\nstore = file:${dir}/store\n`, 'x'),
  );
}

t.test('a server without a section: by name, user and password', async (t) => {
  const sim = await startSim(t);
  await provision(t, sim, 'lsu-1');
  const settings = settingsIn();
  let looked = 0;
  const lookFor: LookFor = async (id, login) => {
    looked += 1;
    if (id !== 'vast9') throw new EngineError('VOST_NOT_FOUND', 'not-found', 'no address');
    const credentials = async () => ({ kind: 'password', user: login().user, password: login().secret }) as const;
    const client = new VmsClient({ origin: new URL(sim.vmsUrl), credentials, policy: { retries: 0 } });
    try {
      await client.release();
      return { client, store: `s3:${sim.urls[0]}` };
    } catch (error) {
      await client.close();
      throw error;
    }
  };
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const registry = await ServerRegistry.open(settings, log, { lookFor });
  t.teardown(() => registry.close());
  const find = async (name: string, login: HostLogin | undefined) => registry.find(name, login);

  t.equal((await find('VastData:known', BAD)).id, 'known', 'a section needs nobody’s password');
  t.equal(looked, 0);
  await t.rejects(find('VastData:vast9', undefined), refusal('not-found'));
  await t.rejects(find('other:vast9', GOOD), refusal('not-found'));
  await t.rejects(find('VastData:../x', GOOD), refusal('not-found'));
  t.equal(looked, 0);

  const polls = Array.from({ length: 20 }, () => find('VastData:vast9', BAD));
  for (const { status } of await Promise.allSettled(polls)) t.equal(status, 'rejected');
  await t.rejects(find('VastData:vast9', BAD), refusal('credentials'));
  t.equal(looked, 1, 'a bad password is tried once');
  const servers = await Promise.all(Array.from({ length: 20 }, () => find('VastData:vast9', GOOD)));
  t.equal(new Set(servers).size, 1);
  t.equal(looked, 2);
  t.equal(registry.get('VastData:vast9'), servers[0], 'known from now on');
  await t.rejects(find('VastData:vast9', BAD), refusal('credentials'), 'but not to strangers');
  t.equal(await find('VastData:vast9', GOOD), servers[0]);
  t.match(servers[0]?.storage.name, `s3:${sim.urls[0]}`);

  // Polls do without keys; what is in an LSU needs them.
  const server = servers[0] as StorageServer;
  const keys = join(settings.engine.state_dir, 's3-vast9.credentials');
  t.same(await server.lsus(), ['lsu-1']);
  t.equal(await server.label('lsu-1'), '');
  t.equal(await server.lockBounds('lsu-1'), undefined);
  await t.rejects(server.label('lsu-2'), refusal('not-found'));
  t.ok((await server.capacity('lsu-1')).total);
  t.notOk(existsSync(keys));
  await server.setLabel('lsu-1', 'a label');
  t.ok(existsSync(keys));
  t.equal((await server.open('lsu-1')).lsu, 'lsu-1');
  t.equal(await server.label('lsu-1'), 'a label');
  await t.rejects(server.open('lsu-2'), refusal('not-found'));
  await t.rejects(find('VastData:nowhere', GOOD), refusal('not-found'));
  t.notMatch(lines.join(''), /canary-bad|pass:word/);
});

t.test('where to look', async (t) => {
  const settings = settingsIn();
  const look = (id: string) => lookForServer(id, () => GOOD, settings);
  await t.rejects(look('no-such-host.invalid'), refusal('not-found', { message: /no address/ }));
});

t.test('with data = nfs a directory that is no mount holds nothing', async (t) => {
  const dir = tempDir();
  mkdirSync(join(dir, 'store', 'one'), { recursive: true });
  mkdirSync(join(dir, 'state'));
  const text = `[engine]\nstate_dir = ${dir}/state\n[server nfs]\nstore = file:${dir}/store\ndata = nfs\n`;
  const registry = await ServerRegistry.open(buildSettings(parseIni(text, 'x')), pino({ level: 'silent' }));
  t.teardown(() => registry.close());
  const server = registry.get('VastData:nfs');
  const wrong = refusal('retryable', { code: 'VOST_NOT_MOUNTED' });
  await t.rejects(server.lsus(), wrong);
  await t.rejects(server.open('one'), wrong);
  await t.rejects(server.label('one'), wrong);
});
