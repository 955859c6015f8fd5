import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import t from 'tap';
import { buildConnector } from 'undici';
import { type Connect, WatchedClient } from '../../src/vast/s3/watchdog.ts';
import { VERIFIED } from '../../src/vast/tls.ts';
import { TransferMeter, type TransferPhase, type WireState } from '../../src/vast/transfer-meter.ts';
import { until } from '../support/turns.ts';

const MIB = 1024 * 1024;

t.test('the time of each request goes where it is', async (t) => {
  let now = 100;
  const meter = new TransferMeter(() => now);
  t.equal(meter.begin('write', MIB - 1), undefined, 'too little to say anything');
  const one = meter.begin('write', MIB);
  now += 10;
  const other = meter.begin('write', 64 * MIB);
  now += 5;
  t.strictSame(meter.read('write'), { moving: 20, answering: 0 }, 'up to now');
  one?.phase('answering');
  one?.phase('answering');
  now += 3;
  other?.end();
  other?.end();
  other?.phase('answering');
  now += 4;
  one?.end();
  now += 100;
  t.strictSame(meter.read('write'), { moving: 23, answering: 7 });
  const read = meter.begin('read', MIB);
  now += 2;
  read?.phase('moving');
  now += 3;
  read?.end();
  t.strictSame(meter.read('read'), { moving: 3, answering: 2 });
});

t.test('bytes that cannot leave: because of the way, or because nobody reads them', async (t) => {
  let now = 0;
  let wire: WireState | undefined = { unsent: true, acknowledged: 100, closedMs: 50 };
  const meter = new TransferMeter(() => now);
  const one = meter.begin('write', MIB, () => wire);
  const after = (ms: number, next: WireState | undefined) => {
    now += ms;
    wire = next;
    return meter.read('write');
  };
  t.strictSame(after(1000, { unsent: true, acknowledged: 101, closedMs: 1050 }), { moving: 1000, answering: 0 });
  one?.phase('answering');
  t.strictSame(after(300, wire), { moving: 1000, answering: 0 }, 'a stall that may end');
  const closed = { unsent: true, acknowledged: 101, closedMs: 1550 };
  t.strictSame(after(200, closed), { moving: 1000, answering: 500 }, 'nobody reads');
  t.strictSame(after(500, closed), { moving: 1500, answering: 500 }, 'there is room, and nothing arrives');
  t.strictSame(after(10, { ...closed, acknowledged: 102 }), { moving: 1510, answering: 500 }, 'in our kernel');
  t.strictSame(after(20, { ...closed, acknowledged: 103, unsent: false }), { moving: 1510, answering: 520 });
  t.strictSame(after(30, undefined), { moving: 1510, answering: 550 }, 'the connection is gone');
  after(100, closed);
  one?.end();
  t.strictSame(after(1000, closed), { moving: 1510, answering: 650 });
});

t.test('a real connection: bytes that nobody takes, and an answer that does not come', async (t) => {
  const requests: (readonly [IncomingMessage, ServerResponse])[] = [];
  const server = createServer((request, response) => {
    request.on('error', () => undefined);
    requests.push([request, response]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const transfers = new TransferMeter();
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const connect: Connect = (onread) => buildConnector({ ...VERIFIED, onread });
  const client = new WatchedClient(origin, {}, connect, { idleMs: 60_000, transfers });
  t.teardown(async () => {
    await client.destroy();
    server.closeAllConnections();
    server.close();
  });
  /** Resolves when requests of this direction have spent more time in this phase, and none in the other one. */
  const grows = async (direction: 'write' | 'read', phase: TransferPhase): Promise<void> => {
    const other = phase === 'moving' ? 'answering' : 'moving';
    const before = transfers.read(direction);
    await until(() => transfers.read(direction)[phase] > before[phase]);
    t.equal(transfers.read(direction)[other], before[other], `${direction}: ${phase}`);
  };
  // More than the kernels of both sides hold.
  const body = async function* () {
    for (let piece = 0; piece < 64; piece += 1) yield Buffer.alloc(MIB);
  };
  const headers = { 'content-length': String(64 * MIB) };
  const put = client.request({ path: '/', method: 'PUT', headers, body: Readable.from(body()) });
  await until(() => requests.length === 1);
  const [taken, answer] = requests[0] ?? [];
  // What the kernels take moves; then nobody reads.
  await until(() => transfers.read('write').answering > 0);
  await grows('write', 'answering');
  taken?.resume();
  await until(() => taken?.readableEnded === true);
  // What is on the way when the last byte was read is the acknowledgement.
  const { answering } = transfers.read('write');
  await until(() => transfers.read('write').answering > answering);
  answer?.end();
  await (await put).body.dump();

  const whole = Buffer.alloc(64 * MIB);
  const one = client.request({ path: '/', method: 'PUT', headers, body: whole });
  await until(() => requests.length === 2);
  requests[1]?.[0].resume();
  const { moving } = transfers.read('write');
  await until(() => requests[1]?.[0].readableEnded === true);
  t.ok(transfers.read('write').moving > moving, 'a body of one piece takes its time too');
  requests[1]?.[1].end();
  await (await one).body.dump();
  const write = transfers.read('write');

  const get = client.request({ path: '/', method: 'GET', headers: { range: `bytes=5-${5 + MIB - 1}` } });
  await until(() => requests.length === 3);
  await grows('read', 'answering');
  requests[2]?.[1].writeHead(206, { 'content-length': String(MIB) }).write('x');
  const got = await get;
  await grows('read', 'moving');
  requests[2]?.[1].end(Buffer.alloc(MIB - 1));
  await got.body.dump();
  t.strictSame(transfers.read('read'), transfers.read('read'), 'nothing runs');
  t.strictSame(transfers.read('write'), write);
});
