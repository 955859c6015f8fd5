import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Host } from '../ost/support/host.ts';
import { readIfThere, Served } from '../ost/support/served.ts';

const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;
const env = { ...process.env, PATH };
const skip = spawnSync('logrotate', ['--version'], { env }).status === 0 ? false : 'no logrotate';

t.test('logrotate takes the log away and no line is lost', { skip }, async (t) => {
  const served = await Served.prepare(t, { logFile: true });
  const { pid } = await served.start();
  const connect = async (): Promise<void> => {
    const host = new Host();
    await host.connect(served.socket);
    await host.close();
  };
  await connect();
  const config = join(served.folder, 'logrotate.conf');
  const text = readFileSync('deploy/vast-ost.logrotate', 'utf8');
  const ours = text
    .replace('/var/log/vast-ost/*.log', served.log)
    .replace(/systemctl kill --signal=HUP --kill-whom=main vast-ost\.service/, `kill -HUP ${pid}`);
  t.match(ours, `kill -HUP ${pid}`);
  writeFileSync(config, ours, { mode: 0o600 });
  const state = join(served.folder, 'logrotate.state');
  const rotated = spawnSync('logrotate', ['--force', '--state', state, config], { env, encoding: 'utf8' });
  t.equal(rotated.status, 0, rotated.stderr);
  while (!existsSync(served.log)) await delay(5);
  await connect();
  const ended = (): number =>
    [readIfThere(served.log), readIfThere(`${served.log}.1`)].join('').split('session ended').length - 1;
  while (ended() < 2) await delay(5);
  t.match(readIfThere(`${served.log}.1`), 'engine ready');
  t.match(readIfThere(served.log), 'session began');
  t.notMatch(readIfThere(served.log), 'engine ready');
});
