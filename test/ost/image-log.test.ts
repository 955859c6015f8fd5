import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Host, imageId } from './support/host.ts';
import { FULL_LSU, Served } from './support/served.ts';

const MIB = 1024 * 1024;

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
