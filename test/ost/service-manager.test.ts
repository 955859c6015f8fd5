import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { ServiceManager } from '../../src/ost/service-manager.ts';

t.test('systemd hears what it wants to hear', async (t) => {
  const sent: [string, string][] = [];
  const sendDatagram = (address: string, message: string) => void sent.push([address, message]);
  const manager = new ServiceManager(
    { sendDatagram },
    { NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '3000', WATCHDOG_PID: String(process.pid) },
  );
  manager.ready();
  while (sent.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  t.strictSame(sent.slice(0, 3), [
    ['@x', 'READY=1'],
    ['@x', 'WATCHDOG=1'],
    ['@x', 'WATCHDOG=1'],
  ]);
  sent.length = 0;
  manager.stopping();
  manager.close();
  t.strictSame(sent, [['@x', 'STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000']]);
});

t.test('without a service manager nothing is sent; a deaf one does no harm', async (t) => {
  const sent: string[] = [];
  const silent = new ServiceManager({ sendDatagram: (_, message) => void sent.push(message) }, {});
  silent.ready();
  silent.stopping();
  silent.close();
  t.strictSame(sent, []);
  const deaf = new ServiceManager(bridge, { NOTIFY_SOCKET: join(t.testdir(), 'nobody') });
  t.doesNotThrow(() => deaf.ready());
  deaf.close();
});

const LISTEN = `
import socket, sys
address = sys.argv[1]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("\\0" + address[1:] if address[0] == "@" else address)
print("bound", flush=True)
print(listener.recv(4096).decode(), end="")
`;

t.test('a datagram arrives, also at an abstract address', async (t) => {
  // A socket's path is short.
  const folder = mkdtempSync(join(tmpdir(), 'vost-notify-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const address of [join(folder, 'socket'), `@vost-${process.pid}`]) {
    const child = spawn('python3', ['-c', LISTEN, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    let said = '';
    child.stdout.on('data', (data: Buffer) => {
      if (said === '') bridge.sendDatagram(address, 'READY=1');
      said += data.toString();
    });
    await closed;
    t.equal(said, 'bound\nREADY=1');
  }
});
