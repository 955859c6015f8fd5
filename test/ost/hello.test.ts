import { once } from 'node:events';
import { closeSync, openSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { Bench, held, memoryBench } from './support/engine.ts';
import { closing, imageId, refuses } from './support/host.ts';
import { MemoryBackend } from './support/memory-backend.ts';
import { descriptorOf, native, SEAL } from './support/native.ts';

const closed = async (path: string, send: (socket: import('node:net').Socket) => void): Promise<void> => {
  const socket = connect(path);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  send(socket);
  socket.resume();
  await closing(socket);
};

t.test('a hello is refused with its reason, in the order of the protocol', async (t) => {
  const bench = await memoryBench(t);
  const host = bench.stranger();
  const refused = async (result: string, change: Parameters<typeof host.connect>[1], fd?: number) =>
    refuses(t, host.connect(bench.socket, change, fd === undefined ? undefined : [fd]), result);

  const { detail } = await refused('PROTOCOL', { major: 2, slot_bytes: 7 });
  t.equal(detail, 1n << 16n, 'with the version that is spoken');
  await refused('ARENA', { slot_bytes: 3 * 1024 * 1024 });
  await refused('ARENA', { slot_count: 1 });
  await refused('ARENA', { slot_count: 0xffff_ffff });
  await refused('ARENA', { journal_bytes: 65_537 });
  await refused('ARENA', { arena_bytes: 4096n });
  await refused('ARENA', { slots_offset: 4096n });
  await refused('ARENA', { session: '0'.repeat(32) });
  const small = native.makeMemfd(host.layout.arenaBytes - 4096, SEAL.SHRINK | SEAL.GROW);
  const open = native.makeMemfd(host.layout.arenaBytes, SEAL.SHRINK);
  const soft = native.makeMemfd(host.layout.arenaBytes, SEAL.GROW);
  const blank = native.makeMemfd(host.layout.arenaBytes, SEAL.SHRINK | SEAL.GROW);
  const file = openSync(join(bench.folder, 'file'), 'w+');
  for (const fd of [small, open, soft, blank, file]) {
    await refused('ARENA', {}, fd);
    closeSync(fd);
  }
  t.equal(bench.engine?.sessions, 0);
  t.equal((await host.connect(bench.socket, { minor: 9 })).minor, 0, 'the lower minor version');
});

t.test('what is no hello gets no answer, and leaves nothing behind', async (t) => {
  const bench = await memoryBench(t);
  const host = bench.stranger();
  const frame = Buffer.alloc(256);
  frame.writeUInt32LE(256);
  frame.writeUInt16LE(1, 4);
  frame.writeUInt32LE(1, 8);
  const before = held();
  await closed(bench.socket, (socket) => socket.end());
  await closed(bench.socket, (socket) => socket.write('GET / HTTP/1.1\r\n\r\n'));
  for (const fds of [[], [host.memfd, host.memfd], Array(8).fill(host.memfd)]) {
    await closed(bench.socket, (socket) => native.sendWithDescriptors(descriptorOf(socket), frame, fds));
  }
  for (const bytes of [frame, frame.subarray(0, 100), Buffer.alloc(300)]) {
    await closed(bench.socket, (socket) => native.sendWithDescriptors(descriptorOf(socket), bytes, [host.memfd]));
  }
  t.strictSame(held(), before);
});

t.test('users that are not named are refused', async (t) => {
  promise({ row: 'security', promise: 'Users that are not named are refused', fault: 'a socket of another user' });
  const bench = await memoryBench(t, { engine: 'allowed_uids = 4242' });
  await refuses(t, bench.stranger().connect(bench.socket), 'ACCESS');
  const [gid] = [process.getgid?.() ?? 0];
  const open = await memoryBench(t, { engine: `allowed_uids = 4242\nallowed_gids = ${gid}` });
  await t.resolves(open.stranger().connect(open.socket));
});

t.test('sessions are bounded; a new connection of a session takes the old one’s place', async (t) => {
  const bench = await memoryBench(t, { engine: 'max_sessions = 1' });
  const host = await bench.host();
  await refuses(t, bench.stranger().connect(bench.socket), 'LIMIT');
  await host.create(1n, imageId('first'));
  const { socket } = host;
  await host.connect(bench.socket);
  await closing(socket);
  t.equal(bench.backend.live, 0, 'the old one’s handle was let go before the answer');
  t.equal(bench.engine?.sessions, 1);
});

t.test('one engine owns a socket; its permissions are the configured ones', async (t) => {
  promise({
    row: 'security',
    promise: 'The socket has the configured permissions, and one owner',
    fault: 'a second engine; file modes',
  });
  const bench = await memoryBench(t, { engine: 'socket_mode = 0620' });
  t.equal(statSync(bench.socket).mode & 0o777, 0o620);
  await t.rejects(bench.start(), refusal('busy', { code: 'VOST_ENGINE_RUNNING' }));
  await t.resolves(bench.stranger().connect(bench.socket), 'the first one still listens');
});

t.test('a path that is no socket is left alone', async (t) => {
  const bench = new Bench(t, { backend: new MemoryBackend() });
  writeFileSync(bench.socket, 'precious');
  await t.rejects(bench.start(), refusal('usage', { code: 'VOST_SOCKET' }));
  t.ok(statSync(bench.socket).isFile());
});
