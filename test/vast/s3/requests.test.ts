import { Hash } from 'node:crypto';
import t from 'tap';
import { refusal } from '../../support/refusal.ts';
import { pattern } from '../conformance/support.ts';
import { bodyOf, fail, faultServer, faultStore, ok, xml } from './fault-server.ts';
import { nodeDigests } from './support.ts';

const MIB = 2 ** 20;

t.test('what a body is sent with', async (t) => {
  const body = pattern(3 * MIB);
  const sha256 = (await nodeDigests.sha256([body])).toString('hex');
  const md5 = (await nodeDigests.md5([body])).toString('base64');
  const etag = (await nodeDigests.md5([body])).toString('hex');
  const digests = { sha256: async () => Buffer.from(sha256, 'hex'), md5: async () => Buffer.from(md5, 'base64') };
  let received: Buffer = Buffer.alloc(0);
  const server = await faultServer(t, async (request, response) => {
    received = await bodyOf(request);
    ok(response, { etag: `"${etag}"` });
  });
  const update = Hash.prototype.update;
  let hashed = 0;
  Hash.prototype.update = function (data: string | NodeJS.ArrayBufferView, ...rest: []) {
    hashed += typeof data === 'string' ? data.length : data.byteLength;
    return (update as (this: Hash, data: unknown, ...rest: unknown[]) => Hash).call(this, data, ...rest);
  };
  t.teardown(() => {
    Hash.prototype.update = update;
  });
  for (const [wireIntegrity, payload] of [
    ['auto', sha256],
    ['sha256', sha256],
    ['md5', 'UNSIGNED-PAYLOAD'],
    ['none', 'UNSIGNED-PAYLOAD'],
  ] as const) {
    for (const pieces of [[body], [body.subarray(0, 7), body.subarray(7)]]) {
      server.seen.length = 0;
      const { store } = await faultStore(t, server.url, { wireIntegrity, digests });
      hashed = 0;
      await store.put('dir/k', pieces);
      await store.resumeUpload('dir/k', 'u').putPart({ number: 1, offset: 0, body: pieces, size: body.length });
      const shown = `${wireIntegrity}, ${pieces.length} pieces`;
      t.ok(hashed < 100_000, `${shown}: the SDK hashes nothing of the body (${hashed} bytes in all)`);
      t.ok(received.equals(body), shown);
      t.equal(server.seen.length, 2);
      for (const { headers } of server.seen) {
        t.equal(headers['x-amz-content-sha256'], payload, shown);
        t.equal(headers['content-length'], String(body.length), shown);
        t.equal(headers['content-md5'], wireIntegrity === 'md5' ? md5 : undefined, shown);
        t.match(headers.authorization, /SignedHeaders=[^,]*x-amz-content-sha256/, 'and it is signed');
        const unwanted = Object.keys(headers).filter((name) => /checksum|trailer|decoded|expect|encoding/.test(name));
        t.same(unwanted, [], shown);
      }
    }
  }
});

t.test('an answer that comes at once ends no connection', async (t) => {
  const sockets = new Set<unknown>();
  const server = await faultServer(t, async (request, response) => {
    sockets.add(request.socket);
    await bodyOf(request);
    ok(response, { etag: '"0"' });
  });
  const { store } = await faultStore(t, server.url, { wireIntegrity: 'none', digests: nodeDigests });
  const body = [pattern(3 * MIB)];
  const streams = Array.from({ length: 4 }, async (_, stream) => {
    for (let nth = 0; nth < 20; nth += 1) await store.put(`${stream}-${nth}`, body);
  });
  await Promise.all(streams);
  // The pool opens one more when a stream is quicker than the end of its last request.
  t.ok(sockets.size <= 10, `${sockets.size} connections for 80 requests of four streams`);
});

t.test('bulk delete', async (t) => {
  const server = await faultServer(t, async (request, response) => {
    const body = await bodyOf(request);
    t.equal(request.headers['content-md5'], (await nodeDigests.md5([body])).toString('base64'));
    xml(response, '<DeleteResult></DeleteResult>');
  });
  const { store } = await faultStore(t, server.url);
  await store.delete(Array.from({ length: 2_002 }, (_, index) => `k${index}`));
  t.equal(server.seen.length, 3, 'a thousand in one request');
  const unwanted = server.seen.flatMap(({ headers }) => Object.keys(headers).filter((name) => /checksum/.test(name)));
  t.same(unwanted, []);
});

t.test('a server without bulk delete', async (t) => {
  for (const [status, code] of [
    [501, 'NotImplemented'],
    [400, 'MalformedXML'],
    [400, 'InvalidRequest'],
  ] as const) {
    const server = await faultServer(t, (request, response) => {
      request.resume();
      if (request.method === 'POST') fail(response, status, code);
      else if (request.url?.startsWith('/lsu/k7')) fail(response, 404, 'NoSuchKey');
      else response.writeHead(204).end();
    });
    const { store } = await faultStore(t, server.url);
    await store.delete(Array.from({ length: 20 }, (_, index) => `k${index}`));
    await store.delete(['again']);
    t.equal(server.seen.filter(({ method }) => method === 'POST').length, 1, `${code}: asked once`);
    t.equal(server.seen.filter(({ method }) => method === 'DELETE').length, 21);
  }
});

t.test('errors of single keys', async (t) => {
  const error = (code: string): string =>
    `<DeleteResult><Error><Key>k</Key><Code>${code}</Code><Message>m</Message></Error></DeleteResult>`;
  let code = 'AccessDenied';
  const server = await faultServer(t, (request, response, number) => {
    request.resume();
    xml(response, code === 'SlowDown' && number > 2 ? '<DeleteResult/>' : error(code));
  });
  const { store, retries } = await faultStore(t, server.url);
  await t.rejects(store.delete(['k', 'l']), refusal('access', { details: { key: 'k' } }));
  code = 'SlowDown';
  await store.delete(['k', 'l']);
  t.equal(retries.length, 1, 'sent again');
  code = 'NoSuchKey';
  await store.delete(['k', 'l']);
});

t.test('credentials are refreshed once', async (t) => {
  const keys: string[] = [];
  const server = await faultServer(t, (request, response) => {
    request.resume();
    const key = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? '';
    keys.push(key);
    if (key === 'NEW') ok(response, { etag: '"e"' });
    else fail(response, 400, 'ExpiredToken');
  });
  let asked = 0;
  const credentials = async () => {
    asked += 1;
    return { accessKeyId: asked === 1 ? 'OLD' : 'NEW', secretAccessKey: 'topsecretvalue' };
  };
  const { store, retries } = await faultStore(t, server.url, { credentials });
  await store.put('k', []);
  t.same(keys, ['OLD', 'NEW']);
  t.match(retries, [{ error: refusal('credentials') }]);
  const never = async () => ({ accessKeyId: 'BAD', secretAccessKey: 'topsecretvalue' });
  const { store: other } = await faultStore(t, server.url, { credentials: never });
  keys.length = 0;
  await t.rejects(other.put('k', []), refusal('credentials'));
  t.same(keys, ['BAD', 'BAD'], 'and only once');
});

t.test('a HEAD is refused without words', async (t) => {
  const server = await faultServer(t, (_request, response, number) => {
    if (number === 1) response.writeHead(400).end();
    else response.writeHead(403).end();
  });
  const { store, retries } = await faultStore(t, server.url);
  await t.rejects(store.head('k'), refusal('access'));
  t.match(retries, [{ error: refusal('credentials') }], 'a bare 400 may be an expired token');
});

t.test('errors tell no secrets', async (t) => {
  const leak =
    '<StringToSign>AWS4 topsecretvalue</StringToSign><CanonicalRequest>x-amz-security-token:topsecretvalue</CanonicalRequest>';
  const server = await faultServer(t, (request, response) => {
    request.resume();
    fail(response, 403, 'SignatureDoesNotMatch', leak);
  });
  const { store } = await faultStore(t, server.url);
  const error: unknown = await store.put('k', [Buffer.from('x')]).catch((caught: unknown) => caught);
  const { inspect } = await import('node:util');
  t.match(error, refusal('credentials', { details: { s3Code: 'SignatureDoesNotMatch', lsu: 'lsu', key: 'k' } }));
  t.notMatch(inspect(error, { depth: 20, showHidden: true }), /topsecretvalue/);
});

t.test('hostile listings', async (t) => {
  let page = '<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>';
  const server = await faultServer(t, (_request, response) =>
    xml(response, `<ListBucketResult>${page}</ListBucketResult>`),
  );
  const { store } = await faultStore(t, server.url, { policy: { budgetMs: 0 } });
  await t.rejects(Array.fromAsync(store.list()), { code: 'VOST_S3', message: /repeats/ }, 'a page for ever');
  const entry = (key: string): string => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`;
  page = ['ok', '../../etc/passwd', 'a//b', 'with space', '.vost-tmp-1', 'z/ok'].map(entry).join('');
  const keys = (await Array.fromAsync(store.list())).map((info) => info.key);
  t.same(keys, ['ok', 'z/ok'], 'keys outside our grammar are not shown');
  page = `<Contents><Key>${'x'.repeat(33 * MIB)}</Key></Contents>`;
  await t.rejects(Array.fromAsync(store.list()), refusal('internal'), 'an answer without end');
  page = '<IsTruncated';
  await t.rejects(Array.fromAsync(store.list()), refusal('retryable'), 'no XML at all');
});
