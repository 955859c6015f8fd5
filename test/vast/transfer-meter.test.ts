import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import t from 'tap';
import { buildConnector } from 'undici';
import { WatchedClient } from '../../src/vast/s3/watchdog.ts';
import { TransferMeter } from '../../src/vast/transfer-meter.ts';
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

t.test('a real connection: bytes that nobody takes, and an answer that does not come', async (t) => {
  const requests: (readonly [IncomingMessage, ServerResponse])[] = [];
  const server = createServer((request, response) => {
    request.on('error', () => undefined);
    requests.push([request, response]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let now = 0;
  const transfers = new TransferMeter(() => now);
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const client = new WatchedClient(origin, {}, buildConnector({}), { idleMs: 60_000, transfers });
  t.teardown(async () => {
    await client.destroy();
    server.closeAllConnections();
    server.close();
  });
  const grown = (direction: 'write' | 'read') => {
    const before = transfers.read(direction);
    now += 1;
    const after = transfers.read(direction);
    return { moving: after.moving - before.moving, answering: after.answering - before.answering };
  };
  // More than the kernels of both sides hold.
  const body = async function* () {
    for (let piece = 0; piece < 64; piece += 1) yield Buffer.alloc(MIB);
  };
  const headers = { 'content-length': String(64 * MIB) };
  const put = client.request({ path: '/', method: 'PUT', headers, body: Readable.from(body()) });
  await until(() => requests.length === 1);
  t.strictSame(grown('write'), { moving: 1, answering: 0 });
  const [taken, answer] = requests[0] ?? [];
  taken?.resume();
  await until(() => taken?.readableEnded === true);
  await until(() => grown('write').answering === 1);
  t.strictSame(grown('write'), { moving: 0, answering: 1 });
  answer?.end();
  await (await put).body.dump();
  t.strictSame(grown('write'), { moving: 0, answering: 0 });

  const get = client.request({ path: '/', method: 'GET', headers: { range: `bytes=5-${5 + MIB - 1}` } });
  await until(() => requests.length === 2);
  t.strictSame(grown('read'), { moving: 0, answering: 1 });
  requests[1]?.[1].writeHead(206, { 'content-length': String(MIB) }).write('x');
  const got = await get;
  t.strictSame(grown('read'), { moving: 1, answering: 0 });
  requests[1]?.[1].end(Buffer.alloc(MIB - 1));
  await got.body.dump();
  t.strictSame(grown('read'), { moving: 0, answering: 0 });
  t.strictSame(grown('write'), { moving: 0, answering: 0 });
});
