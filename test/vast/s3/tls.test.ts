import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import { promise } from '../../support/promise.ts';
import { refusal } from '../../support/refusal.ts';
import { pattern } from '../conformance/support.ts';
import { bodyOf, ok } from './fault-server.ts';

t.test('over TLS', async (t) => {
  promise({
    row: 'security',
    promise: 'A server that no known authority vouches for is refused for good',
    fault: 'a certificate of an unknown authority',
  });
  const dir = t.testdir({});
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(dir, name)) as [string, string];
  const request = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost';
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', ...request.split(' '), ...names], { stdio: 'ignore' });

  const bodies: { sha256: unknown; bytes: Buffer }[] = [];
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, async (request, response) => {
    const bytes = await bodyOf(request);
    if (request.method === 'PUT') bodies.push({ sha256: request.headers['x-amz-content-sha256'], bytes });
    ok(response, { etag: '"e"' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const digest = async (): Promise<never> => {
    throw new Error('nothing is hashed over TLS');
  };

  const trusting = new S3Storage(url, { credentials, caFile: cert, digests: { sha256: digest, md5: digest } });
  t.teardown(() => trusting.close());
  const store = await trusting.open('lsu');
  const sent = [pattern(1_000_000, 1), pattern(10, 2), pattern(300_000, 3)];
  await store.put('k', sent);
  await store.put('k', [pattern(600_000, 4)]);
  t.match(bodies, [{ sha256: 'UNSIGNED-PAYLOAD' }, { sha256: 'UNSIGNED-PAYLOAD' }]);
  t.ok(bodies[0]?.bytes.equals(Buffer.concat(sent)), 'the slices arrive in order');
  t.ok(bodies[1]?.bytes.equals(pattern(600_000, 4)));

  const doubting = new S3Storage(url, { credentials, policy: { budgetMs: 60_000 } });
  t.teardown(() => doubting.close());
  await t.rejects(doubting.open('lsu'), refusal('access', { code: 'VOST_TLS_TRUST' }), 'an unknown authority is final');
});
