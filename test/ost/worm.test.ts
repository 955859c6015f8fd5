import { existsSync } from 'node:fs';
import t from 'tap';
import { LSU_FLAG, RESULT } from '../../src/ost/wire/constants.ts';
import { Host, imageId, refuses } from './support/host.ts';
import { OST_HOST, ostHost } from './support/ost-host.ts';
import { Served } from './support/served.ts';

const DAY = 86_400n;
const HAS_WORM = 128n;

t.test('an LSU that locks its images', async (t) => {
  const worm = 'worm_retention = 2d\nworm_minimum = 1d\nworm_maximum = 30d';
  const served = await Served.prepare(t, { kind: 'simulator', worm });
  await served.start();
  const host = new Host();
  t.teardown(() => host.close());
  await host.connect(served.socket);
  await host.openServer();
  const server = await host.ask('SERVER_PROP', { server: 1n, name: '' });
  t.equal(server.capabilities & HAS_WORM, HAS_WORM);
  const lsu = await host.ask('LSU_PROP', { server: 1n, lsu: 'lsu-worm' });
  t.equal(lsu.flags & LSU_FLAG.WORM, LSU_FLAG.WORM);
  t.match(lsu, { worm_minimum: DAY, worm_maximum: 30n * DAY });
  const plain = await host.ask('LSU_PROP', { server: 1n, lsu: 'lsu-1' });
  t.equal(plain.flags & LSU_FLAG.WORM, 0n);
  t.match(plain, { worm_minimum: 0n, worm_maximum: 0n });

  const id = imageId('locked');
  await host.backup(1n, id, Buffer.alloc(4096, 1), 'lsu-worm');
  const { info } = await host.ask('IMAGE_PROP_BYNAME', { server: 1n, lsu: 'lsu-worm', id });
  const left = info.locked_until - BigInt(Math.floor(Date.now() / 1000));
  t.ok(left > 2n * DAY - 600n && left <= 2n * DAY + 60n, 'locked from its completion on');
  const { images } = await host.ask('IMAGE_LIST', { server: 1n, lsu: 'lsu-worm', kinds: 0, max: 9, cursor: '' });
  t.strictSame(images, [{ id, info }]);
  for (const flags of [0, 1])
    await refuses(
      t,
      host.ask('IMAGE_DELETE', { server: 1n, lsu: 'lsu-worm', id, flags }),
      'WORM_LOCKED',
      `flags ${flags}`,
    );
  t.ok((await host.restore(2n, id, 'lsu-worm')).equals(Buffer.alloc(4096, 1)), 'it is whole');
  t.equal(RESULT.WORM_LOCKED, 19);

  if (!existsSync(OST_HOST)) return;
  const args = ['conformance', '--lsu', 'lsu-1', '--worm-lsu', 'lsu-worm', '--only', 'locked'];
  const { said } = await ostHost(served, args);
  t.match(said, /^pass +a locked image cannot be deleted$/m);
  t.match(said, /^pass +an incomplete image is not locked$/m);
});
