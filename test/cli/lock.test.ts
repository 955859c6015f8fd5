import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import { makeLockingLsu } from '../vast/s3/support.ts';
import { jsonLines, run } from './support.ts';

const DAY_MS = 86_400_000;

t.test('backup, lock, list, show, delete in an LSU that locks its images', async (t) => {
  const dir = t.testdir({ sim: {} });
  const keys = { accessKey: 'KEY', secretKey: 'SECRET' };
  const sim = await startS3Sim({ dir: join(dir, 'sim'), ...keys, checksumMode: 'reject' });
  t.teardown(() => sim.close());
  const lsu = await makeLockingLsu({ url: sim.url, ...keys, close: () => sim.close() });
  const config = join(dir, 'vast-ost.conf');
  const worm = 'worm_retention = 2d\nworm_maximum = 30d';
  writeFileSync(config, `[general]\nstore = s3:${sim.url}\n[server a]\nstore = s3:${sim.url}\n${worm}\n`);
  const env = { AWS_ACCESS_KEY_ID: keys.accessKey, AWS_SECRET_ACCESS_KEY: keys.secretKey };
  const cli = (args: string[]) => run(['--config', config, '--json', ...args], { env, input: Buffer.from('data') });
  const days = (time: unknown): number => Math.round((Date.parse(String(time)) - Date.now()) / DAY_MS);

  const made = await cli(['backup', lsu, 'image']);
  t.equal(made.code, 0, made.stderr);
  t.equal(days(jsonLines(made)[0]?.['locked_until']), 2);
  const refused = await cli(['delete', lsu, 'image']);
  t.equal(refused.code, 5, 'not allowed');
  t.match(refused.stderr, /VOST_WORM_LOCKED/);
  const longer = await cli(['lock', lsu, 'image', '--for', '9d']);
  t.equal(longer.code, 0, longer.stderr);
  t.equal(days(jsonLines(longer)[0]?.['locked_until']), 9);
  const shorter = await cli([
    'lock',
    lsu,
    'image',
    '--until',
    new Date(Date.now() + 4 * DAY_MS).toISOString().slice(0, 10),
  ]);
  t.equal(shorter.code, 2);
  t.match(shorter.stderr, /VOST_LOCK_SHORTER/);
  t.match((await cli(['lock', lsu, 'image', '--for', '31d'])).stderr, /VOST_WORM_MAXIMUM/);
  t.equal((await cli(['lock', lsu, 'image'])).code, 2, 'neither --for nor --until');
  t.equal((await cli(['lock', lsu, 'image', '--until', 'soon'])).code, 2);
  for (const args of [
    ['list', lsu],
    ['show', lsu, 'image'],
  ])
    t.equal(days(jsonLines(await cli(args))[0]?.['locked_until']), 9, args.join(' '));
});
