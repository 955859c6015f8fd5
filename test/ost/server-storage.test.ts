import pino from 'pino';
import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings, type ServerSettings } from '../../src/config/settings.ts';
import { openServerStorage } from '../../src/ost/server-storage.ts';
import { FileStore } from '../../src/vast/nfs/store.ts';

t.test('a directory is used as the configuration says', async (t) => {
  const dir = t.testdir({ one: {} });
  for (const direct of [true, false]) {
    const settings = buildSettings(
      parseIni(`[performance]\nuse_direct_io = ${direct}\n[server a]\nstore = file:${dir}\n`, 'x.conf'),
    );
    const storage = openServerStorage(
      'a',
      settings.servers.get('a') as ServerSettings,
      settings,
      pino({ enabled: false }),
    );
    const store = await storage.open('one');
    t.ok(store instanceof FileStore);
    t.equal((store as FileStore).directIo, direct);
    await storage.close();
  }
});
