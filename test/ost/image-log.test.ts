import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Host, imageId } from './support/host.ts';
import { OST_HOST, ostHost } from './support/ost-host.ts';
import { FULL_LSU, readIfThere, Served } from './support/served.ts';

const MIB = 1024 * 1024;

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

type Line = Readonly<Record<string, unknown>>;

t.test('each image has its lines, which name it', async (t) => {
  const served = await Served.prepare(t, { kind: 'simulator', performance: 'chunk_size_mb = 8' });
  await served.start();
  const host = new Host({ slotBytes: 8 * MIB });
  t.teardown(() => host.close());
  await host.connect(served.socket);
  await host.openServer();
  const data = Buffer.alloc(9 * MIB, 'log');
  await host.backup(1n, imageId('first'), data, 'lsu-1');
  await t.rejects(host.backup(2n, imageId('second'), data, FULL_LSU));
  await t.rejects(host.openRead(3n, imageId('third'), 'lsu-2'));
  await host.disconnect();
  while (!served.stderr.includes('session ended')) await delay(5);
  const lines = served.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
  const about = (name: string): Line[] => lines.filter((line) => line['image_name'] === name);

  const [opened, closed, ...rest] = about('first');
  const place = { server: 'test', lsu: 'lsu-1', program: 'test', handle: '1' };
  t.match(opened, { ...place, msg: 'image opened', chunk_bytes: 8 * MIB });
  t.match(closed, { ...place, msg: 'image closed', image: opened?.['image'], session: opened?.['session'] });
  t.match(closed?.['report'], `image=${opened?.['image']} `);
  t.strictSame(rest, []);

  const failed = about('second').filter(({ msg }) => msg !== 'image opened');
  t.ok(failed.length > 0);
  for (const line of failed) t.match(line, { lsu: FULL_LSU, server: 'test', image: /./ });
  const errors = failed.map(({ err }) => err).filter((err) => err !== undefined);
  t.match(
    errors[0],
    { failure: 'capacity', details: { requestId: /^[0-9A-F]{16}$/ } },
    'the storage has its own line of it',
  );
  t.match(about('third'), [{ lsu: 'lsu-2', request: 'IMAGE_OPEN', result: 'NOT_FOUND' }]);
});

t.test('a job: its lines in both logs, and requests that were repeated for it', async (t) => {
  const served = await Served.prepare(t, { logFile: true });
  served.chaos('7,error=0.2');
  await served.start();
  const log = join(served.folder, 'plugin.log');
  const plugin = `log_file = ${log}\nlog_level = 2`;
  const backup = ['backup', '--lsu', 'lsu-1', '--image', 'of-a-job', '--generate', '5M'];
  t.match(await ostHost(served, backup, { plugin }), { code: 0 });
  t.not((await ostHost(served, backup, { plugin })).code, 0, 'it is there already');
  t.match(await ostHost(served, ['delete', '--lsu', 'lsu-1', '--image', 'of-a-job'], { plugin }), { code: 0 });
  t.equal(await served.stop(), 0);
  const text = readIfThere(served.log).trim().split('\n');
  const lines = text.map((line) => JSON.parse(line) as Line);
  const image = lines.find(({ msg }) => msg === 'image opened')?.['image'];
  const about = lines.filter((line) => line['image'] === image);
  const says = (wanted: string): Line[] => about.filter(({ msg }) => msg === wanted);
  const named = { job: '0', server: 'test', lsu: 'lsu-1', image_name: /^of-a-job/, host_pid: Number };
  for (const wanted of ['image opened', 'image closed', 'image deleted']) t.match(says(wanted), [named], wanted);
  const repeated = about.filter((line) => 'delay_ms' in line);
  t.ok(repeated.length > 0, 'and what was repeated for it');
  t.match(repeated[0], { operation: /./, attempt: 1, code: /^VOST_/ });

  // time date <severity> job:process:thread:server function: what
  const head = (severity: number, what: string): RegExp =>
    new RegExp(
      `^\\d\\d:\\d\\d:\\d\\d\\.\\d{3} \\d{4}-\\d\\d-\\d\\d <${severity}> 0:\\d+:\\d+:VastData:test ${what}`,
      'm',
    );
  const said = readIfThere(log);
  t.match(said, head(4, 'stsp_close_image: image=of-a-job\\S* .*report=engine='));
  t.match(said, String(says('image closed')[0]?.['report']), 'the same report as in the engine');
  t.match(said, head(16, 'stsp_create_image: STS_EEXIST \\[2060\\d{3}\\] .*'));
});
