import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings, type Settings } from '../../src/config/settings.ts';
import { ServerRegistry } from '../../src/ost/server-registry.ts';
import { refusal } from '../support/refusal.ts';
import { tempDir } from '../support/temp-dir.ts';
import { VipFarm } from '../support/vip-farm.ts';

const log = pino({ level: 'silent' });
const dir = tempDir();

function settings(server: string): Settings {
  return buildSettings(parseIni(`[engine]\nstate_dir = ${dir}\n[server v]\n${server}`, 'x.conf'));
}

t.test('a server with several VIPs', async (t) => {
  const farm = await VipFarm.start(t, { count: 2, subnet: 72 });
  const { accessKeyId, secretAccessKey } = farm.credentials;
  const keys = join(dir, 'keys');
  writeFileSync(keys, `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`, { mode: 0o600 });
  const endpoints = farm.vips.map(({ url }) => url).join(', ');
  const registry = await ServerRegistry.open(
    settings(`store = s3:http://s3.vast.test\nendpoints = ${endpoints}\ns3_credentials_file = ${keys}\n`),
    log,
  );
  t.teardown(() => registry.close());
  const { storage } = registry.get('VastData:v');
  await storage.createLsu('one');
  t.same(await storage.lsus(), ['one']);
  t.ok(
    farm.vips.every(({ requests }) => requests > 0),
    'all of them are used',
  );
});

t.test('settings that do not go together', async (t) => {
  const open = ServerRegistry.open(settings('store = s3:http://a\nendpoints = http://b\ndns_name = c\n'), log);
  await t.rejects(
    open,
    refusal('usage', { code: 'VOST_CONFIG', message: /^\[server v\]: give endpoints or dns_name/ }),
  );
});
