import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { WireImageId } from '../../src/ost/wire/groups.ts';
import { randomBytes } from '../image/support.ts';
import { holdsOf } from '../soak/churn.ts';
import { Host } from './support/host.ts';
import { OST_HOST, ostHost, startHost } from './support/ost-host.ts';
import { Served, type StoreKind } from './support/served.ts';

const MIB = 1024 * 1024;
const data = randomBytes(3 * MIB);

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

/** A backup that dies in the middle; the engine must let go of its memory. */
async function loseHost(t: Test, served: Served, image: string): Promise<void> {
  const pid = served.child?.pid as number;
  const child = startHost(served, ['backup', '--lsu', 'lsu-1', '--image', image]);
  await new Promise<void>((resolve) => child.stdin.write(data, () => resolve()));
  while (!(await ostHost(served, ['list', '--lsu', 'lsu-1', '--pending'])).said.includes(image)) await delay(20);
  t.ok(holdsOf(pid).arenas > 0, 'the engine has its memory');
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  while (holdsOf(pid).arenas > 0) await delay(10);
}

/** Another media server's host, and the unfinished images that it sees. */
async function lookAgain(t: Test, served: Served): Promise<{ host: Host; pending: Map<string, WireImageId> }> {
  const host = new Host({ slotBytes: MIB });
  t.teardown(() => host.close());
  await host.connect(served.socket);
  await host.openServer();
  const { images } = await host.ask('IMAGE_LIST', { server: 1n, lsu: 'lsu-1', kinds: 1, max: 9, cursor: '' });
  const name = (id: WireImageId): string => id.basename.replace(/_.*/, '');
  return { host, pending: new Map(images.map(({ id }) => [name(id), id])) };
}

function idOf(pending: ReadonlyMap<string, WireImageId>, name: string): WireImageId {
  const id = pending.get(name);
  if (id === undefined) throw new Error(`${name} is not among ${[...pending.keys()]}`);
  return id;
}

async function lostServer(t: Test, kind: StoreKind): Promise<void> {
  const shm = new Set(readdirSync('/dev/shm'));
  const lost = await Served.prepare(t, { kind });
  await lost.start();
  const suspend = startHost(lost, ['backup', '--lsu', 'lsu-1', '--image', 'suspended', '--incomplete']);
  const suspended = once(suspend, 'close');
  suspend.stdin.end(data.subarray(0, 2 * MIB));
  t.strictSame(await suspended, [0, null]);
  await loseHost(t, lost, 'begun');
  await loseHost(t, lost, 'unwanted');
  await lost.kill();
  rmSync(join(lost.folder, 'state'), { recursive: true });

  const other = await Served.prepare(t, { storageOf: lost });
  await other.start();
  const { host, pending } = await lookAgain(t, other);
  let handle = 1n;
  for (const [name, size] of [
    ['suspended', 2 * MIB],
    ['begun', 0],
  ] as const) {
    const id = idOf(pending, name);
    const open = { handle, server: 1n, lsu: 'lsu-1', id, mode: 2, journal: 1 };
    t.match(await host.ask('IMAGE_OPEN', open), { first_chunk: BigInt(size / MIB), info: { size: BigInt(size) } });
    for (let chunk = size / MIB; chunk < 3; chunk += 1)
      await host.write(handle, chunk, chunk, data.subarray(chunk * MIB, (chunk + 1) * MIB), chunk === 2);
    await host.ask('IMAGE_CLOSE', { handle, mode: 1, size: BigInt(data.byteLength) });
    t.ok((await host.restore(handle + 1n, id, 'lsu-1')).equals(data), `${name}: bit for bit`);
    handle += 2n;
  }
  await host.ask('IMAGE_DELETE', { server: 1n, lsu: 'lsu-1', id: idOf(pending, 'unwanted'), flags: 0 });
  const left = await lookAgain(t, other);
  t.notOk(
    ['suspended', 'begun', 'unwanted'].some((name) => left.pending.has(name)),
    'nothing is left unfinished',
  );
  t.strictSame(
    readdirSync('/dev/shm').filter((name) => !shm.has(name) && /v(a|o)st/.test(name)),
    [],
    'no shared memory has a name',
  );
}

t.test('a media server is lost with all that it had: another one goes on (directory)', async (t) => {
  await lostServer(t, 'directory');
});

t.test('a media server is lost with all that it had: another one goes on (S3)', async (t) => {
  await lostServer(t, 'simulator');
});
