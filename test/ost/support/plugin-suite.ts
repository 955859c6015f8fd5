import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { WireImageId } from '../../../src/ost/wire/groups.ts';
import { Host, refuses } from './host.ts';
import { type HostCommand, OST_HOST, ostHost, startHost } from './ost-host.ts';
import { FULL_LSU, Served, type StoreKind } from './served.ts';

const performance = 'chunk_size_mb = 8\npart_size_mb = 8';

/** Every line of `ost-host conformance` (less with `more` options) against the real engine, with `engine` lines in its section; resolves to all that was said. */
export async function conformance(
  t: Test,
  kind: StoreKind,
  command: HostCommand = {},
  more: readonly string[] = [],
  engine = '',
): Promise<string> {
  const served = await Served.prepare(t, { kind, performance, engine });
  await served.start();
  const failing = kind === 'simulator' ? ['--failing-lsu', FULL_LSU] : [];
  const args = ['conformance', '--lsu', 'lsu-1', '--to-lsu', 'lsu-2', ...failing, ...more];
  const { code, said } = await ostHost(served, args, command);
  for (const line of said.split('\n')) {
    const result = /^(pass|FAIL) +(.*)$/.exec(line);
    if (result) t.equal(result[1], 'pass', result[2] ?? '');
  }
  t.equal(code, 0, said.split('\n').at(-2) ?? '');
  t.equal(await served.stop(), 0);
  return said;
}

/** The real plugin, played by ost-host, against the real engine. */
export function pluginSuite(kind: StoreKind): void {
  if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

  t.test(`everything that the plugin promises (${kind})`, async (t: Test) => {
    await conformance(t, kind);
  });

  t.test(`four streams while the engine is killed three times (${kind})`, async (t: Test) => {
    const served = await Served.prepare(t, { kind, performance: `${performance}\ncompression = lz4` });
    await served.start();
    const image = ['--lsu', 'lsu-1', '--image', 'killed', '--generate', '96M', '--streams', '4', '--seed', '7'];
    let ended = false;
    const backup = ostHost(served, ['backup', ...image]).finally(() => {
      ended = true;
    });
    for (let kill = 0; kill < 3 && !ended; kill += 1) {
      await delay(250);
      await served.kill();
      await served.start();
    }
    const { code, said } = await backup;
    t.equal(code, 0, said);
    const restored = await ostHost(served, ['restore', ...image]);
    t.equal(restored.code, 0, restored.said);
  });

  t.test(`what a host that died left behind is another one’s to go on with (${kind})`, async (t: Test) => {
    const served = await Served.prepare(t, { kind, performance });
    await served.start();
    const child = startHost(served, ['backup', '--lsu', 'lsu-1', '--image', 'left']);
    child.stdin.write(Buffer.alloc(1024 * 1024));
    while (!served.stderr.includes('session began')) await delay(5);
    const host = new Host({ slotBytes: 8 * 1024 * 1024 });
    t.teardown(() => host.close());
    await host.connect(served.socket);
    await host.openServer();
    const list = async () => {
      const page = await host.ask('IMAGE_LIST', { server: 1n, lsu: 'lsu-1', kinds: 1, max: 9, cursor: '' });
      return page.images;
    };
    let images = await list();
    for (; images.length === 0; images = await list()) await delay(5);
    const id = images[0]?.id as WireImageId;
    const open = { handle: 1n, server: 1n, lsu: 'lsu-1', id, mode: 2, journal: 1 };
    await refuses(t, host.ask('IMAGE_OPEN', open), 'BUSY', 'while it lives');
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    while (!served.stderr.includes('session ended')) await delay(5);
    await served.kill();
    await served.start();
    await host.connect(served.socket);
    await host.openServer();
    t.match(await host.ask('IMAGE_OPEN', { ...open, handle: 2n }), { first_chunk: 0n, info: { size: 0n } });
    await host.write(2n, 0, 0, Buffer.alloc(1024 * 1024, 1), true);
    await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 1, size: 1024n * 1024n });
    t.ok((await host.restore(3n, id, 'lsu-1')).equals(Buffer.alloc(1024 * 1024, 1)));
  });
}
