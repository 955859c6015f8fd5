import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { ChaosProxy } from '../../src/chaos/proxy.ts';
import { type ProxyPlan, type ProxyRule, parseProxyRates, proxyPlan } from '../../src/chaos/proxy-faults.ts';
import { refusal } from '../support/refusal.ts';

/** A server that answers with what it got, and a proxy before it. */
async function echo(
  t: Test,
  rules: readonly ProxyRule[],
  seed = 1,
): Promise<{ plan: ProxyPlan; hit: Promise<void>; dial(): Socket }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let met = (): void => undefined;
  const hit = new Promise<void>((resolve) => {
    met = resolve;
  });
  const plan = proxyPlan(seed, rules, () => met());
  const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const proxy = await ChaosProxy.listen({ host: '127.0.0.1', port: 0 }, target, plan);
  t.teardown(async () => {
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return { plan, hit, dial: () => connect(proxy.address) };
}

/** What came back, and how it ended. */
async function exchange(socket: Socket, data: Buffer): Promise<{ got: Buffer; end: string }> {
  const pieces: Buffer[] = [];
  let end = 'end';
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end = error.code ?? 'error';
  });
  socket.end(data);
  await once(socket, 'close').catch(() => once(socket, 'close'));
  return { got: Buffer.concat(pieces), end };
}

const data = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 31) % 251));

t.test('without faults everything comes through', async (t) => {
  const { dial, plan } = await echo(t, []);
  for (const size of [0, 1, data.byteLength]) {
    const { got, end } = await exchange(dial(), data.subarray(0, size));
    t.ok(got.equals(data.subarray(0, size)), `${size} bytes`);
    t.equal(end, 'end');
  }
  t.same(plan.events(), []);
});

t.test('a connection is refused, the next one is not', async (t) => {
  const { dial, plan } = await echo(t, [{ count: 1, effect: { kind: 'refuse' } }]);
  t.equal((await exchange(dial(), data)).end, 'ECONNRESET');
  t.ok((await exchange(dial(), data)).got.equals(data));
  plan.verifyAllHit();
});

t.test('a reset at a byte: what came before arrives at the most, in both directions', async (t) => {
  for (const direction of ['up', 'down'] as const) {
    for (const at of [0, 1, 150_000, data.byteLength - 1]) {
      const { dial, plan } = await echo(t, [{ effect: { kind: 'reset', direction, at } }]);
      const { got, end } = await exchange(dial(), data);
      t.equal(end, 'ECONNRESET', `${direction} ${at}`);
      t.ok(got.byteLength <= at && got.equals(data.subarray(0, got.byteLength)));
      plan.verifyAllHit();
    }
  }
});

t.test('a fault behind the last byte is no fault, and is told', async (t) => {
  const { dial, plan } = await echo(t, [{ effect: { kind: 'reset', direction: 'up', at: data.byteLength } }]);
  t.ok((await exchange(dial(), data)).got.equals(data));
  t.throws(() => plan.verifyAllHit(), refusal('internal', { code: 'VOST_FAULT_NOT_HIT' }));
});

t.test('a truncated answer ends in order after so many bytes', async (t) => {
  const { dial, plan } = await echo(t, [{ effect: { kind: 'truncate', direction: 'down', at: 1000 } }]);
  const { got, end } = await exchange(dial(), data);
  t.same({ length: got.byteLength, end }, { length: 1000, end: 'end' });
  t.ok(got.equals(data.subarray(0, 1000)));
  plan.verifyAllHit();
});

t.test('one bit is another', async (t) => {
  const { dial, plan } = await echo(t, [{ effect: { kind: 'flip', direction: 'up', at: [0, 300_000] } }], 5);
  const { got } = await exchange(dial(), data);
  const other = [...got.keys()].filter((at) => got[at] !== data[at]);
  t.equal(got.byteLength, data.byteLength);
  t.equal(other.length, 1);
  const [at = 0] = other;
  t.equal(((got[at] ?? 0) ^ (data[at] ?? 0)).toString(2).replaceAll('0', ''), '1');
  plan.verifyAllHit();
  const again = await echo(t, [{ effect: { kind: 'flip', direction: 'up', at: [0, 300_000] } }], 5);
  t.ok((await exchange(again.dial(), data)).got.equals(got), 'the same seed, the same bit');
  t.same(again.plan.events(), plan.events());
});

t.test('a black hole swallows what follows and keeps the connection', async (t) => {
  const { dial, plan, hit } = await echo(t, [{ effect: { kind: 'black-hole', direction: 'up', at: 10 } }]);
  const socket = dial();
  socket.write(data.subarray(0, 10));
  const [piece] = (await once(socket, 'data')) as [Buffer];
  t.ok(piece.equals(data.subarray(0, 10)));
  socket.on('data', () => t.fail('nothing more arrives'));
  socket.write(data);
  await hit;
  t.notOk(socket.destroyed);
  socket.destroy();
  plan.verifyAllHit();
});

t.test('latency delays and changes nothing', async (t) => {
  const { dial, plan } = await echo(t, [{ effect: { kind: 'latency', ms: 1 } }]);
  t.ok((await exchange(dial(), data)).got.equals(data));
  t.equal(plan.events().length, 2, 'once for each direction');
});

t.test('a target that is not there resets', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  const proxy = await ChaosProxy.listen({ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port }, proxyPlan(1, []));
  t.teardown(() => proxy.close());
  t.equal((await exchange(connect(proxy.address), data)).end, 'ECONNRESET');
});

t.test('closing breaks what is open', async (t) => {
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const proxy = await ChaosProxy.listen({ host: '127.0.0.1', port: 0 }, target, proxyPlan(1, []));
  const socket = connect(proxy.address);
  await Promise.all([once(socket, 'connect'), once(server, 'connection')]);
  const ended = once(socket, 'close');
  socket.on('error', () => undefined).resume();
  await proxy.close();
  await ended;
  t.pass('ended');
});

t.test('rates', async (t) => {
  t.match(parseProxyRates('3,reset=0.5'), {
    seed: 3,
    rules: [{ name: 'reset', rate: 0.5, effect: { kind: 'reset' } }],
  });
  t.equal(parseProxyRates('3').rules.length, 8);
  t.throws(() => parseProxyRates('3,boom=1'), refusal('usage', { code: 'VOST_BAD_CHAOS', advice: /black-hole/ }));
});
