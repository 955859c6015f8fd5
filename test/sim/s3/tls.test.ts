import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import t from 'tap';
import type { Fault } from '../../../src/sim/s3/settings.ts';
import { signed, sim } from './support.ts';

const run = promisify(execFile);

t.test('HTTPS', async (t) => {
  const dir = t.testdir({});
  const [keyFile, certFile] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await run('openssl', ['req', '-x509', ...curve, ...name, '-keyout', keyFile, '-out', certFile]);
  const cert = readFileSync(certFile, 'utf8');
  const faults: Fault[] = [];
  const s3 = await sim(t, {
    dir: join(dir, 'sim'),
    tls: { key: readFileSync(keyFile, 'utf8'), cert },
    onRequest: () => faults.shift(),
  });
  t.match(s3.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const ask = async (method: string, path: string, body = '') => {
    const { headers } = signed(s3, { method, path, body });
    const sending = request({
      host: '127.0.0.1',
      port: s3.port,
      method,
      path,
      ca: cert,
      agent: false,
      headers: { ...headers, 'content-length': body.length },
    });
    sending.end(body);
    const [response] = await once(sending, 'response');
    return { status: response.statusCode, body: await text(response) };
  };
  t.match(await ask('PUT', '/bucket'), { status: 200 });
  t.match(await ask('PUT', '/bucket/key', 'data'), { status: 200 });
  t.match(await ask('GET', '/bucket/key'), { status: 200, body: 'data' });
  faults.push('reset');
  await t.rejects(ask('GET', '/bucket/key'), { code: 'ECONNRESET' });
});
