import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bridge, type MappedArena } from '../../src/bridge/bridge.ts';
import { ARENA_SEALS, descriptorOf, native, SEAL } from '../ost/support/native.ts';

const PAGE = 4096;
const descriptors = () => readdirSync('/proc/self/fd').length;
const arenaMaps = () =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('memfd:ost-client')).length;

function memfd(t: Test, bytes: number, seals: number = ARENA_SEALS): number {
  const fd = native.makeMemfd(bytes, seals);
  t.teardown(() => closeSync(fd));
  return fd;
}

/** A connected pair over a socket in a folder of its own. */
async function pair(t: Test): Promise<{ client: Socket; server: Socket }> {
  const folder = mkdtempSync(join(tmpdir(), 'vost-arena-'));
  const listener = createServer({ pauseOnConnect: true }).listen(join(folder, 'socket'));
  await once(listener, 'listening');
  const client = connect(join(folder, 'socket'));
  const [[server]] = (await Promise.all([once(listener, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  t.teardown(() => {
    client.destroy();
    server.destroy();
    listener.close();
    rmSync(folder, { recursive: true });
  });
  return { client, server };
}

t.test('two mappings of one memfd share their bytes', async (t) => {
  const fd = memfd(t, 4 * PAGE);
  const [ours, theirs] = [bridge.mapArena(fd, 4 * PAGE), bridge.mapArena(fd, 4 * PAGE)];
  const [a, b] = [bridge.arenaView(ours, PAGE, 2 * PAGE), bridge.arenaView(theirs, 0, 4 * PAGE)];
  new Uint8Array(a).set([1, 2, 3], 5);
  t.strictSame([...new Uint8Array(b, PAGE + 4, 5)], [0, 1, 2, 3, 0]);
  t.equal(arenaMaps(), 2);
  bridge.unmapArena(ours);
  bridge.unmapArena(ours);
  t.equal(new Uint8Array(a)[5], 1, 'a view keeps the mapping');
  bridge.freeSlab(a);
  t.equal(a.byteLength, 0, 'a freed view is detached');
  t.equal(arenaMaps(), 1);
  bridge.freeSlab(b);
  t.equal(arenaMaps(), 1, 'the owner keeps the mapping');
  bridge.unmapArena(theirs);
  t.equal(arenaMaps(), 0);
});

t.test('a digest in progress keeps the memory that it reads', async (t) => {
  const bytes = 64 * 1024 * 1024;
  const arena = bridge.mapArena(memfd(t, bytes), bytes);
  const view = bridge.arenaView(arena, 0, bytes);
  const digests = bridge.leafDigests(new Uint8Array(view));
  bridge.freeSlab(view);
  bridge.unmapArena(arena);
  const zeroes = await bridge.sha256([new Uint8Array(1024 * 1024)]);
  t.ok((await digests).subarray(0, 32).equals(zeroes));
  t.equal(arenaMaps(), 0);
});

t.test('only memory that cannot fail is mapped', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vost-arena-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'file'), Buffer.alloc(2 * PAGE));
  const file = openSync(join(folder, 'file'), 'r+');
  t.teardown(() => closeSync(file));
  t.throws(() => bridge.mapArena(file, PAGE), { code: 'EINVAL' }, 'a file on disk');
  t.throws(() => bridge.sealsOf(file), { code: 'EINVAL' });
  t.throws(() => bridge.mapArena(memfd(t, PAGE), 2 * PAGE), { code: 'EINVAL' }, 'too short');
  t.throws(() => bridge.mapArena(memfd(t, PAGE, SEAL.GROW), PAGE), { code: 'EINVAL' }, 'may shrink');
  t.throws(() => bridge.mapArena(memfd(t, PAGE, SEAL.SHRINK | SEAL.WRITE), PAGE), { code: 'EPERM' }, 'read-only');
  t.throws(() => bridge.mapArena(999_999, PAGE), { code: 'EBADF' });
  t.equal(bridge.sealsOf(memfd(t, PAGE)), ARENA_SEALS);
  t.equal(arenaMaps(), 0);
});

t.test('wrong arguments throw and do nothing else', async (t) => {
  const arena = bridge.mapArena(memfd(t, 4 * PAGE), 4 * PAGE);
  const bad: [number, number][] = [
    [1, PAGE],
    [0, 1],
    [0, 0],
    [0, 5 * PAGE],
    [4 * PAGE, PAGE],
    [-PAGE, PAGE],
    [Number.NaN, PAGE],
    [0, Number.POSITIVE_INFINITY],
  ];
  for (const [offset, bytes] of bad) t.throws(() => bridge.arenaView(arena, offset, bytes), TypeError);
  const foreign = [undefined, null, 1, 'x', {}, [], bridge] as unknown as MappedArena[];
  for (const value of foreign) {
    t.throws(() => bridge.arenaView(value, 0, PAGE), TypeError);
    t.throws(() => bridge.unmapArena(value), TypeError);
    t.throws(() => bridge.mapArena(value as unknown as number, 0), TypeError);
    if (value !== (1 as unknown)) {
      t.throws(() => bridge.sealsOf(value as unknown as number), TypeError);
      t.throws(() => bridge.peerOf(value as unknown as number), TypeError);
      t.throws(() => bridge.tryLock(value as unknown as number), TypeError);
      t.throws(() => bridge.receiveWithDescriptor(value as unknown as number, 1), TypeError);
    }
    if (value !== ('x' as unknown)) t.throws(() => bridge.sendDatagram(value as unknown as string, 'x'), TypeError);
  }
  t.throws(() => bridge.sendDatagram('/'.repeat(200), 'x'), TypeError);
  bridge.unmapArena(arena);
  t.throws(() => bridge.arenaView(arena, 0, PAGE), TypeError, 'after unmapping');
});

t.test('bytes and one descriptor are received, and nothing else is', async (t) => {
  const { client, server } = await pair(t);
  const [from, to] = [descriptorOf(client), descriptorOf(server)];
  const fd = memfd(t, PAGE);
  const before = descriptors();
  t.equal(bridge.receiveWithDescriptor(to, 256), undefined, 'nothing there yet');
  native.sendWithDescriptors(from, Buffer.from('hello'), [fd]);
  const got = bridge.receiveWithDescriptor(to, 256);
  t.equal(got?.data.toString(), 'hello');
  t.equal(bridge.sealsOf(got?.descriptor ?? -1), ARENA_SEALS);
  closeSync(got?.descriptor ?? -1);
  for (const count of [0, 2, 3, 8]) {
    native.sendWithDescriptors(from, Buffer.from('hello'), Array<number>(count).fill(fd));
    t.throws(() => bridge.receiveWithDescriptor(to, 256), { code: 'EBADMSG' }, `${count} descriptors`);
  }
  t.equal(descriptors(), before, 'what came along was closed');
  client.destroy();
  await once(client, 'close');
  t.throws(() => bridge.receiveWithDescriptor(to, 256), { code: 'ECONNRESET' });
});

t.test('the peer, the lock and datagrams', async (t) => {
  const { server } = await pair(t);
  const { pid, uid, gid } = bridge.peerOf(descriptorOf(server));
  t.strictSame([pid, uid, gid], [process.pid, process.getuid?.(), process.getgid?.()]);

  const folder = mkdtempSync(join(tmpdir(), 'vost-lock-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [first, second] = [openSync(join(folder, 'lock'), 'w'), openSync(join(folder, 'lock'), 'w')];
  t.equal(bridge.tryLock(first), true);
  t.equal(bridge.tryLock(second), false);
  closeSync(first);
  t.equal(bridge.tryLock(second), true);
  closeSync(second);
  t.throws(() => bridge.sendDatagram(join(folder, 'nobody'), 'READY=1'), { code: 'ENOENT' });
});

t.test('mappings and views leave nothing behind', async (t) => {
  const fd = memfd(t, 16 * PAGE);
  const before = descriptors();
  for (let round = 0; round < 2000; round += 1) {
    const arena = bridge.mapArena(fd, 16 * PAGE);
    const views = [0, 1, 2].map((at) => bridge.arenaView(arena, at * PAGE, PAGE));
    bridge.unmapArena(arena);
    for (const view of views) bridge.freeSlab(view);
  }
  t.equal(arenaMaps(), 0);
  t.equal(descriptors(), before);
});
