import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { descriptorOf } from '../../src/bridge/socket-descriptor.ts';
import { until } from '../support/turns.ts';

/** More than the kernels of both sides hold. */
const BYTES = 32 * 1024 * 1024;

t.test('how far the bytes of a connection have come', async (t) => {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [peer] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    peer.destroy();
    socket.destroy();
    server.close();
  });
  await until(() => !socket.connecting);
  const descriptor = descriptorOf(socket) ?? -1;
  const { acknowledged: before, ...rest } = bridge.tcpProgress(descriptor);
  t.strictSame(rest, { queued: 0, closedMs: 0 });
  socket.write(Buffer.alloc(BYTES));
  // Nobody reads: the other side has room for some, and closes.
  await until(() => bridge.tcpProgress(descriptor).closedMs > 10);
  const { acknowledged, queued } = bridge.tcpProgress(descriptor);
  t.ok(acknowledged > before && queued > 0 && acknowledged + queued < BYTES, `${acknowledged} and ${queued}`);
  peer.resume();
  await until(() => bridge.tcpProgress(descriptor).acknowledged === before + BYTES);
  t.equal(bridge.tcpProgress(descriptor).queued, 0);
  socket.destroy();
  t.equal(descriptorOf(socket), undefined);
});

t.test('what is no TCP connection', (t) => {
  t.throws(() => bridge.tcpProgress('1' as unknown as number), { name: 'TypeError', message: /^tcpProgress: / });
  t.throws(() => bridge.tcpProgress(999_999), { code: 'EBADF' });
  t.end();
});
