import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { buildConnector } from 'undici';
import { Receipt } from '../../../src/vast/s3/receipt.ts';
import { TURN_BYTES } from '../../../src/vast/s3/turns.ts';
import { type Connect, WatchedClient } from '../../../src/vast/s3/watchdog.ts';
import { VERIFIED } from '../../../src/vast/tls.ts';
import { until } from '../../support/turns.ts';
import { pattern } from '../conformance/support.ts';

const MIB = 2 ** 20;

interface Site {
  /** A connection of its own. */
  client(): WatchedClient;
}

async function site(t: Test, tls: boolean, answer: RequestListener): Promise<Site> {
  const dir = t.testdir({});
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(dir, name)) as [string, string];
  const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost';
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
  if (tls) execFileSync('openssl', ['req', ...request.split(' '), ...names], { stdio: 'ignore' });
  const server = tls
    ? createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer)
    : createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const ca = tls ? { ca: readFileSync(cert) } : {};
  const connect: Connect = (onread) => buildConnector({ ...VERIFIED, ...ca, allowH2: false, onread });
  const origin = new URL(`http${tls ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    client: () => {
      const client = new WatchedClient(origin, {}, connect, { idleMs: 60_000 });
      t.teardown(() => client.destroy());
      return client;
    },
  };
}

const ask = (client: WatchedClient, length: number, receipt?: Receipt) =>
  client.request({
    path: '/',
    method: 'GET',
    headers: { range: `bytes=0-${length - 1}` },
    ...(receipt === undefined ? {} : { opaque: receipt }),
  });

for (const tls of [false, true]) {
  t.test(`${tls ? 'https' : 'http'}: bytes of connections that share memory`, async (t) => {
    const bodies = [pattern(9 * MIB + 17, 1), pattern(9 * MIB + 17, 2)] as const;
    let asked = 0;
    const { client } = await site(t, tls, (_, response) => {
      const body = bodies[asked % 2] as Uint8Array;
      asked += 1;
      // Pieces of odd lengths, with pauses.
      const pieces = function* (): Generator<Uint8Array> {
        for (let at = 0, step = 1; at < body.length; at += step, step = (step * 7 + 3) % 70_001)
          yield body.subarray(at, at + step);
      };
      // One of them chunked: then a reader takes a rest in the middle of what has come.
      response.writeHead(206, body === bodies[0] ? { 'content-length': body.length } : {});
      Readable.from(pieces()).pipe(response);
    });
    const [one, other] = [client(), client()];

    await t.test('are each other’s neither when they are taken at once', async (t) => {
      asked = 0;
      const into = bodies.map((body) => Buffer.alloc(body.length));
      const receipts = into.map((memory) => new Receipt(memory));
      const first = ask(one, bodies[0].length, receipts[0]);
      const second = ask(other, bodies[1].length, receipts[1]);
      for (const { body } of await Promise.all([first, second])) t.equal((await body.text()).length, 0);
      for (const [nth, body] of bodies.entries()) {
        t.equal(receipts[nth]?.received, body.length);
        t.ok(into[nth]?.equals(body));
      }
    });

    await t.test('nor when somebody takes his time', async (t) => {
      asked = 0;
      const slowly = async (client: WatchedClient, pause: number, body: Uint8Array): Promise<void> => {
        const answer = await ask(client, body.length);
        const found: Buffer[] = [];
        for await (const piece of answer.body) {
          found.push(piece as Buffer);
          if (found.length % 8 === 0) await delay(pause);
        }
        t.ok(Buffer.concat(found).equals(body));
      };
      const first = slowly(one, 3, bodies[0]);
      await Promise.all([first, slowly(other, 1, bodies[1])]);
    });
  });
}

t.test('what comes after the end of a receipt touches no memory', async (t) => {
  const more = Promise.withResolvers<void>();
  const { client } = await site(t, false, (_, response) => {
    response.writeHead(206, { 'content-length': 2 * MIB });
    response.write(Buffer.alloc(MIB, 1));
    void more.promise.then(() => response.end(Buffer.alloc(MIB, 1)));
  });
  const into = Buffer.alloc(2 * MIB);
  const receipt = new Receipt(into);
  const { body } = await ask(client(), into.length, receipt);
  await until(() => receipt.received === MIB);
  receipt.end();
  into.fill(7);
  more.resolve();
  await t.rejects(body.text(), 'the request is given up');
  t.ok(into.every((byte) => byte === 7));
});

t.test('more than was asked for does not fit', async (t) => {
  const { client } = await site(t, false, (_, response) => response.writeHead(206).end(Buffer.alloc(100, 1)));
  const memory = Buffer.alloc(101);
  const receipt = new Receipt(memory.subarray(0, 99));
  const { body } = await ask(client(), 99, receipt);
  await t.rejects(body.text());
  t.ok(receipt.exceeded);
  t.equal(memory[99], 0);
});

t.test('an error’s document is told, not stored', async (t) => {
  const { client } = await site(t, false, (_, response) => response.writeHead(416).end('<Error/>'));
  const receipt = new Receipt(Buffer.alloc(99));
  const { body } = await ask(client(), 99, receipt);
  t.equal(await body.text(), '<Error/>');
  t.equal(receipt.received, 0);
});

t.test('connections whose servers are fast do not keep the event loop for themselves', async (t) => {
  const CONNECTIONS = 4;
  const body = Buffer.alloc(32 * MIB, 7);
  const { client } = await site(t, false, (_, response) => {
    response.writeHead(206, { 'content-length': body.length }).end(body);
  });
  const receipts = Array.from({ length: CONNECTIONS }, () => new Receipt(Buffer.alloc(body.length)));
  const received = (): number => receipts.reduce((sum, receipt) => sum + receipt.received, 0);
  let [most, before] = [0, 0];
  const watch = (): void => {
    most = Math.max(most, received() - before);
    before = received();
    if (before < CONNECTIONS * body.length) setImmediate(watch);
  };
  watch();
  const answers = await Promise.all(receipts.map((receipt) => ask(client(), body.length, receipt)));
  for (const answer of answers) for await (const _ of answer.body);
  t.equal(received(), CONNECTIONS * body.length);
  t.ok(most <= 2 * TURN_BYTES, `${most} bytes in one turn`);
});
