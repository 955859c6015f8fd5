import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { Agent, request } from 'undici';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { AccessFiles } from '../../src/metrics/access.ts';
import { MetricsServer, type MetricsServerOptions } from '../../src/metrics/metrics-server.ts';
import { Authority } from '../../src/sim/tls/authority.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';

const settings = (lines: string) => buildSettings(parseIni(`[metrics]\n${lines}`, 'x.conf')).metrics;
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

async function open(t: Test, lines: string, more: Partial<MetricsServerOptions> = {}): Promise<MetricsServer> {
  const server = await MetricsServer.open({
    listen: { host: '127.0.0.1', port: 0 },
    access: await AccessFiles.open(settings(lines)),
    text: async () => 'up 1\n',
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    log: pino({ level: 'silent' }),
    ...more,
  });
  t.teardown(() => server.close());
  return server;
}

t.test('plain HTTP on the loopback', async (t) => {
  const { port } = await open(t, '');
  const at = `http://127.0.0.1:${port}`;
  const scraped = await request(`${at}/metrics?x=1`);
  t.equal(scraped.statusCode, 200);
  t.match(scraped.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  t.equal(await scraped.body.text(), 'up 1\n');
  const head = await request(`${at}/metrics`, { method: 'HEAD' });
  t.strictSame([head.statusCode, await head.body.text()], [200, '']);
  const post = await request(`${at}/metrics`, { method: 'POST', body: 'x' });
  t.equal(post.statusCode, 405);
  await post.body.dump();
  for (const path of ['/', '/metrics/', '/etc/passwd']) {
    const other = await request(`${at}${path}`);
    t.equal(other.statusCode, 404, path);
    await other.body.dump();
  }
});

t.test('numbers that cannot be read are a 500 and a line in the log', async (t) => {
  const lines: string[] = [];
  const { port } = await open(t, '', {
    text: () => Promise.reject(new Error('a mistake')),
    log: pino({}, { write: (line: string) => lines.push(line) }),
  });
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/metrics`);
  t.equal(statusCode, 500);
  t.notMatch(await body.text(), /a mistake/);
  t.match(lines.join(), /a mistake/);
});

t.test('TLS and a password', async (t) => {
  promise({
    row: 'security',
    promise: 'Metrics over TLS are told to whoever knows the password, over TLS 1.2 or later',
    fault: 'wrong passwords, no password, TLS 1.1',
  });
  const dir = t.testdir();
  const authority = await Authority.open(dir);
  const { cert, key } = await authority.issueServer(['127.0.0.1']);
  const files = { cert: join(dir, 'c.pem'), key: join(dir, 'k.pem'), password: join(dir, 'p') };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
  writeFileSync(files.password, 'user = prom\npassword = let me:in\n', { mode: 0o600 });
  const all = `tls_cert_file = ${files.cert}\ntls_key_file = ${files.key}\npassword_file = ${files.password}`;
  const { port } = await open(t, all);
  const dispatcher = new Agent({ connect: { ca: readFileSync(authority.certFile, 'utf8') } });
  t.teardown(() => dispatcher.close());
  const status = async (headers: Record<string, string>): Promise<number> => {
    const { statusCode, body } = await request(`https://127.0.0.1:${port}/metrics`, { dispatcher, headers });
    await body.dump();
    return statusCode;
  };
  t.equal(await status(basic('prom:let me:in')), 200);
  for (const wrong of ['prom:let me', 'prom:', ':', 'Prom:let me:in']) t.equal(await status(basic(wrong)), 401, wrong);
  t.equal(await status({}), 401);
  t.equal(await status({ authorization: 'Bearer x' }), 401);

  const old = connectTls({
    port,
    maxVersion: 'TLSv1.1',
    ca: authority.cert,
    minVersion: 'TLSv1',
    ciphers: 'ALL:@SECLEVEL=0',
  });
  const [refused] = (await once(old, 'error')) as [NodeJS.ErrnoException];
  t.equal(refused.code, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'nothing older than TLS 1.2');

  chmodSync(files.key, 0o644);
  await t.rejects(AccessFiles.open(settings(all)), refusal('credentials', { message: /readable by everybody/ }));
  chmodSync(files.key, 0o600);
  writeFileSync(files.key, 'no key');
  await t.rejects(AccessFiles.open(settings(all)), refusal('usage', { code: 'VOST_METRICS_TLS' }));
  writeFileSync(files.key, key);
  for (const bad of ['user = prom\n', 'user = a:b\npassword = x\n', 'nonsense']) {
    writeFileSync(files.password, bad);
    await t.rejects(AccessFiles.open(settings(all)), refusal('credentials', { code: 'VOST_CREDENTIALS' }), bad);
  }
});

t.test('an address that is taken is an error; closing ends idle connections', async (t) => {
  const server = await open(t, '');
  const { port } = server;
  await t.rejects(open(t, '', { listen: { host: '127.0.0.1', port } }), { code: 'EADDRINUSE' });
  const idle = connect(port, '127.0.0.1');
  idle.on('error', () => undefined);
  const gone = new Promise((resolve) => idle.once('close', resolve));
  await new Promise((resolve) => idle.once('connect', resolve));
  await server.close();
  await gone;
  t.pass('nothing is left');
});
