import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import type { Fault, FaultContext } from '../../../src/sim/s3/settings.ts';
import { raw, signed, sim } from './support.ts';

const EXPECT = { expect: '100-continue' };

t.test('Expect: 100-continue', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  let continued = 0;
  const onContinue = () => {
    continued += 1;
  };
  const put = (path: string, headers = {}, extra = {}) =>
    raw(s3, { method: 'PUT', path, body: 'data', unsigned: { ...EXPECT, ...headers }, onContinue, ...extra });
  t.match(await put('/bucket/key'), { status: 200 });
  t.equal(continued, 1, 'a good request is told to go on');
  for (const [path, headers, extra, code] of [
    ['/bucket/key', {}, { secretKey: 'wrong' }, 'SignatureDoesNotMatch'],
    ['/nobucket/key', {}, {}, 'NoSuchBucket'],
    ['/bucket/key?partNumber=1&uploadId=none', {}, {}, 'NoSuchUpload'],
    ['/bucket/key', { 'content-length': String(5 * 1024 ** 3 + 1) }, {}, 'EntityTooLarge'],
    [`/bucket/${'k'.repeat(1025)}`, {}, {}, 'KeyTooLongError'],
    ['/bucket/key', { 'content-md5': 'short' }, {}, 'InvalidDigest'],
  ] as const) {
    const reply = await put(path, headers, extra);
    t.match(reply, { code, headers: { connection: 'close' } }, `${code} is answered before the body`);
  }
  t.equal(continued, 1, 'and the body is never asked for');
});

t.test('connections are used again, also after errors', async (t) => {
  const s3 = await sim(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const sockets = new Set();
  const ask = async (method: string, path: string, body?: Buffer, extra = {}) => {
    const { headers } = signed(s3, { method, path, ...(body === undefined ? {} : { body }), ...extra });
    const sending = request({
      port: s3.port,
      host: '127.0.0.1',
      method,
      path,
      agent,
      headers: { ...headers, 'content-length': body?.length ?? 0 },
    });
    sending.end(body);
    const [response] = await once(sending, 'response');
    sockets.add(response.socket);
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  };
  const large = Buffer.alloc(4 * 1024 * 1024, 7);
  t.equal(await ask('PUT', '/bucket'), 200);
  t.equal(await ask('PUT', '/bucket/key', large), 200);
  t.equal(await ask('PUT', '/nobucket/key', large), 404, 'body not read');
  t.equal(await ask('PUT', '/bucket/key', large, { payloadHash: '0'.repeat(64) }), 400, 'body read');
  t.equal(await ask('HEAD', '/bucket/none'), 404);
  t.equal(await ask('GET', '/bucket/key'), 200);
  t.equal(await ask('DELETE', '/bucket/key'), 204);
  t.equal(sockets.size, 1);
});

t.test('errors', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  const reply = await raw(s3, { path: '/bucket/a%26b' });
  t.match(reply.headers, { 'content-type': 'application/xml' });
  t.match(
    reply.body,
    /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>NoSuchKey<\/Code><Message>The specified key does not exist.<\/Message><Resource>\/bucket\/a%26b<\/Resource><RequestId>[0-9A-F]{16}<\/RequestId><\/Error>$/,
  );
  t.match(await raw(s3, { method: 'HEAD', path: '/bucket/none' }), { status: 404, body: '' }, 'HEAD has no body');
  const unknown: readonly [string, string, Record<string, string>?][] = [
    ['GET', '/bucket?acl'],
    ['GET', '/bucket/key?response-content-type=a'],
    ['GET', '/bucket/key?attributes'],
    ['POST', '/bucket/key?restore'],
    ['PATCH', '/bucket/key'],
    ['PUT', '/'],
    ['PUT', '/bucket/key', { 'x-amz-server-side-encryption': 'AES256' }],
    ['PUT', '/bucket/key', { 'x-amz-copy-disposition': 'replace' }],
    ['GET', '/bucket/key', { 'x-amz-delete-contents': 'true' }],
    ['PUT', '/bucket/key', { 'x-amz-acl': 'public-read' }],
  ];
  for (const [method, path, headers = {}] of unknown) {
    t.match(
      await raw(s3, { method, path, headers }),
      { status: 501, code: 'NotImplemented' },
      `${method} ${path} ${Object.keys(headers)}`,
    );
  }
  const lost = await raw(s3, { method: 'PUT', path: '/bucket/key', headers: { 'x-amz-storage-class': 'GLACIER' } });
  t.match(lost, { status: 400, code: 'InvalidStorageClass' });
});

t.test('bodies', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  const put = (extra: object) => raw(s3, { method: 'PUT', path: '/bucket/key', body: 'data', ...extra });
  t.match(await put({ unsigned: { 'transfer-encoding': 'chunked' } }), { status: 411, code: 'MissingContentLength' });
  t.match(await put({ payloadHash: '0'.repeat(64) }), { status: 400, code: 'XAmzContentSHA256Mismatch' });
  t.match(await put({ payloadHash: 'UNSIGNED-PAYLOAD' }), { status: 200 });
  t.match(await put({ unsigned: { 'content-md5': 'jXd/OF09/siBXSD3SWAmsQ==' } }), { status: 400, code: 'BadDigest' });
  t.match(await put({ unsigned: { 'content-md5': 'jXd/OF09/siBXSD3SWAm3A==' } }), { status: 200 });
  t.match(await put({ headers: { 'x-amz-meta-a': 'v'.repeat(2047) } }), { status: 200 }, '2 KB of metadata');
  t.match(await put({ headers: { 'x-amz-meta-ab': 'v'.repeat(2047) } }), { status: 400, code: 'MetadataTooLarge' });
  t.match(await raw(s3, { method: 'PUT', path: `/bucket/${'k'.repeat(1024)}`, body: 'x' }), { status: 200 });
});

t.test('a client that goes away leaves nothing', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  const { headers } = signed(s3, { method: 'PUT', path: '/bucket/key', payloadHash: 'UNSIGNED-PAYLOAD' });
  const socket = connect(s3.port, '127.0.0.1');
  const lines = Object.entries({ ...headers, 'content-length': '10', ...EXPECT }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.write(`PUT /bucket/key HTTP/1.1\r\n${lines.join('')}\r\n`);
  await once(socket, 'data');
  socket.end('half');
  await once(socket, 'close');
  t.match(await raw(s3, { path: '/bucket/key' }), { status: 404 });
});

t.test('faults', async (t) => {
  const seen: FaultContext[] = [];
  const faults: (Fault | Promise<Fault | undefined> | undefined)[] = [];
  const s3 = await sim(t, {
    onRequest: (context) => {
      seen.push(context);
      return faults.shift();
    },
  });
  const put = (path: string) => raw(s3, { method: 'PUT', path });
  await put('/bucket');
  faults.push({ status: 503, code: 'SlowDown' });
  t.match(await put('/bucket/key'), { status: 503, code: 'SlowDown' });
  faults.push('reset');
  await t.rejects(put('/bucket/key'), { code: 'ECONNRESET' });
  t.match(await raw(s3, { path: '/bucket/key' }), { status: 404 }, 'nothing was done so far');
  faults.push('lose-answer');
  await t.rejects(put('/bucket/key'), { code: 'ECONNRESET' });
  t.match(await raw(s3, { path: '/bucket/key' }), { status: 200 }, 'done although the answer was lost');
  faults.push({ delayMs: 1 }, Promise.resolve(undefined));
  t.match(await raw(s3, { path: '/bucket/key' }), { status: 200 });
  t.match(await put('/bucket/%C3%BC?partNumber=3&uploadId=u'), { status: 404 });
  t.match(seen.at(-1), { operation: 'UploadPart', method: 'PUT', bucket: 'bucket', key: 'ü' });
  t.same(
    seen.at(-1)?.query,
    new Map([
      ['partNumber', '3'],
      ['uploadId', 'u'],
    ]),
  );
});

t.test('close does not wait for a hook that hangs', async (t) => {
  const asked = Promise.withResolvers<void>();
  const s3 = await sim(t, {
    onRequest: () => {
      asked.resolve();
      return new Promise(() => undefined);
    },
  });
  const rejected = t.rejects(raw(s3, { path: '/' }), { code: 'ECONNRESET' });
  await asked.promise;
  await s3.close();
  await rejected;
});
