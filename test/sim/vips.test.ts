import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import * as fc from 'fast-check';
import t from 'tap';
import { buildAnswer, parseQuery } from '../../src/sim/dns/message.ts';
import { statusOf } from './s3/support.ts';
import { admin, api, cluster, provision, s3 } from './support.ts';

/** Resolves when a socket is closed, whatever the reason. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

t.test('all VIPs serve one state; one goes down in every way, comes back, moves', async (t) => {
  const sim = await cluster(t, { vips: 3 });
  const { keys } = await provision(t, sim, 'bucket-a');
  t.same(
    sim.urls.map((url) => new URL(url).hostname),
    ['127.0.1.1', '127.0.1.2', '127.0.1.3'],
  );
  const head = (url: string | undefined) =>
    statusOf(s3(t, sim, { keys, url: url ?? '' }).send(new HeadBucketCommand({ Bucket: 'bucket-a' })));
  for (const url of sim.urls) t.equal(await head(url), 0);
  const [, second = ''] = sim.urls;
  const { hostname, port } = new URL(second);
  const reach = async (host = hostname) => {
    const socket = connect(Number(port), host);
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };

  const idle = await reach();
  const broken = closed(idle);
  await admin(sim, 'POST', '/actions', { do: 'vip-down', vip: hostname });
  await broken;
  await t.rejects(reach(), { code: 'ECONNREFUSED' }, 'refused');
  t.equal(await head(sim.urls[0]), 0, 'the others go on');

  await admin(sim, 'POST', '/actions', { do: 'vip-down', vip: hostname, how: 'reset' });
  const reset = connect(Number(port), hostname);
  const [error] = (await once(reset, 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNRESET');

  await sim.act({ do: 'vip-down', vip: hostname, how: 'hang' });
  const silent = await reach();
  silent.on('data', () => t.fail('a hanging VIP answers nothing'));
  silent.write('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n');
  const ended = closed(silent);

  await sim.act({ do: 'vip-up', vip: hostname });
  t.equal(await head(second), 0, 'up again');
  const { vips } = (await admin(sim, 'GET', '/state')).body as {
    vips: { address: string; requests: number; mode: string }[];
  };
  t.match(vips[1], { address: hostname, mode: 'up', requests: 2 });

  await sim.act({ do: 'vip-move', from: hostname, to: '127.0.1.9' });
  await ended;
  t.equal(await head(second.replace(hostname, '127.0.1.9')), 0);
  await t.rejects(reach(), { code: 'ECONNREFUSED' });
  const shown = (await api(sim, 'GET', '/vips/')).body as { ip: string }[];
  t.same(
    shown.map(({ ip }) => ip),
    ['127.0.1.1', '127.0.1.9', '127.0.1.3'],
  );
  await t.rejects(sim.act({ do: 'vip-move', from: hostname, to: '127.0.1.9' }), RangeError);
});

t.test('DNS answers with the VIPs that are up, in turns', async (t) => {
  const sim = await cluster(t, { vips: 3 });
  const resolver = new Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers([`${sim.dns.host}:${sim.dns.port}`]);
  const ask = () => resolver.resolve4(sim.dns.name, { ttl: true });
  const first = [await ask(), await ask(), await ask()].flat();
  t.same(
    first.map(({ address }) => address),
    ['127.0.1.1', '127.0.1.2', '127.0.1.3'],
  );
  t.ok(first.every(({ ttl }) => ttl === 0));
  sim.faults.apply({ modes: { dnsAnswers: 8 } });
  await sim.act({ do: 'vip-down', vip: '127.0.1.2' });
  await sim.act({ do: 'vip-move', from: '127.0.1.3', to: '127.0.1.20' });
  const addresses = (await ask()).map(({ address }) => address).sort();
  t.same(addresses, ['127.0.1.1', '127.0.1.20']);
  await t.rejects(resolver.resolve4('other.test'), { code: 'ENOTFOUND' });
  await t.rejects(resolver.resolve6(sim.dns.name), { code: 'ENODATA' });
  // Nobody is helped by an answer to noise; the next question shows that the server lives.
  const socket = createSocket('udp4');
  socket.send('noise', sim.dns.port, sim.dns.host);
  await ask();
  socket.close();
});

t.test('no bytes make the parser of questions fail', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const message = Buffer.from(bytes);
      if (bytes.length >= 12) message.writeUInt16BE(1, 4);
      const question = parseQuery(message);
      return question === undefined || buildAnswer(question, ['127.0.0.1'], 0).length === 28 + question.raw.length;
    }),
    { numRuns: 2000 },
  );
  t.end();
});

t.test('certificates name their VIP and the pool, and hold under our authority alone', async (t) => {
  const sim = await cluster(t, { vips: 2, plain: false });
  const greet = async (url: string, options: object) => {
    const { hostname, port } = new URL(url);
    const socket = tlsConnect({ host: hostname, port: Number(port), ...options });
    t.teardown(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().subjectaltname;
  };
  const ca = sim.ca?.cert;
  for (const url of sim.tlsUrls) {
    t.match(await greet(url, { ca }), new RegExp(`IP Address:${new URL(url).hostname}\\b`));
    t.match(await greet(url, { ca, servername: sim.dns.name }), /DNS:data\.vast-sim\.test, DNS:\*\.data/);
    await t.rejects(greet(url, {}), { code: /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/ });
    await t.rejects(greet(url, { ca, servername: 'other.test' }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  }
  await greet(sim.vmsUrl, { ca });
});

t.test('how many VIPs there can be', async (t) => {
  await t.rejects(cluster(t, { vips: 201 }), { code: 'VOST_SETTING', failure: 'usage' });
});

t.test('a port that was asked for and is taken is an error, and nothing goes on listening', async (t) => {
  const taken = await cluster(t, { vips: 2 });
  const port = Number(new URL(taken.urls[1] ?? '').port);
  await taken.act({ do: 'vip-down', vip: '127.0.1.1' });
  const options = { vips: 2, port, tlsPort: 1, dir: `${taken.dir}-2` };
  await t.rejects(cluster(t, options), { code: 'EADDRINUSE' }, 'the second VIP cannot be served');
  await taken.act({ do: 'vip-up', vip: '127.0.1.1' });
});
