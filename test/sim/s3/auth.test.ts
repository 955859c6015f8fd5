import { createHash, createHmac } from 'node:crypto';
import t from 'tap';
import { type RawRequest, raw, SECRET_KEY, send, signed, sim } from './support.ts';

const NOW = Date.UTC(2026, 10, 21, 4, 0, 0);
const MINUTE = 60_000;

t.test('header signatures', async (t) => {
  const s3 = await sim(t, { clock: () => NOW, region: 'us-east-1' });
  const cases: readonly [what: string, request: Partial<RawRequest>, status: number, code: string | undefined][] = [
    ['right', {}, 200, undefined],
    ['15 minutes late', { now: NOW - 15 * MINUTE }, 200, undefined],
    ['later', { now: NOW - 15 * MINUTE - 1000 }, 403, 'RequestTimeTooSkewed'],
    ['early', { now: NOW + 15 * MINUTE + 1000 }, 403, 'RequestTimeTooSkewed'],
    ['unknown key', { accessKey: 'OTHER' }, 403, 'InvalidAccessKeyId'],
    ['wrong secret', { secretKey: 'wrong' }, 403, 'SignatureDoesNotMatch'],
    ['wrong region', { region: 'eu-west-1' }, 400, 'AuthorizationHeaderMalformed'],
    ['unsigned x-amz header', { unsigned: { 'x-amz-meta-a': 'b' } }, 403, 'AccessDenied'],
    [
      'header changed on the way',
      { headers: { 'x-amz-meta-a': 'b' }, unsigned: { 'x-amz-meta-a': 'c' } },
      403,
      'SignatureDoesNotMatch',
    ],
    ['not a payload hash', { payloadHash: 'nonsense' }, 400, 'InvalidArgument'],
    ['an unknown streaming kind', { payloadHash: 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' }, 501, 'NotImplemented'],
  ];
  for (const [what, request, status, code] of cases) {
    const reply = await raw(s3, { path: '/', now: NOW, ...request });
    t.match(reply, { status, code }, what);
    t.match(reply.headers, { server: 'vast 5.3.0.1', 'x-amz-request-id': /^[0-9A-F]{16}$/ }, what);
  }
});

t.test('headers that are no signature', async (t) => {
  const s3 = await sim(t, { clock: () => NOW });
  const { headers } = signed(s3, { path: '/', now: NOW });
  const without = (name: string) => Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
  const authorization = headers['authorization'] ?? '';
  const cases: readonly [what: string, headers: Record<string, string>, status: number, code: string][] = [
    ['nothing', {}, 403, 'AccessDenied'],
    ['signature version 2', { authorization: 'AWS AK:c2ln' }, 400, 'InvalidRequest'],
    ['nonsense', { ...headers, authorization: 'AWS4-HMAC-SHA256 nonsense' }, 400, 'AuthorizationHeaderMalformed'],
    [
      'another service',
      { ...headers, authorization: authorization.replace('/s3/', '/ec2/') },
      400,
      'AuthorizationHeaderMalformed',
    ],
    [
      'host not signed',
      { ...headers, authorization: authorization.replace('host;', '') },
      400,
      'AuthorizationHeaderMalformed',
    ],
    ['no payload hash', without('x-amz-content-sha256'), 400, 'InvalidRequest'],
    ['no date', without('x-amz-date'), 403, 'AccessDenied'],
  ];
  for (const [what, sent, status, code] of cases) t.match(await send(s3, { path: '/' }, sent), { status, code }, what);
  const date = { ...without('x-amz-date'), date: new Date(NOW).toUTCString() };
  t.match(
    await send(s3, { path: '/' }, date),
    { code: 'SignatureDoesNotMatch' },
    'Date stands in, but the other was signed',
  );
});

t.test('odd paths and queries are signed as they are meant', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  for (const key of [
    'a%20b',
    'a%2Bb',
    '%C3%BC',
    '../../x',
    'a/../b',
    'a//b',
    '%FF%00%01',
    'a~(b)'.replace(/[()]/g, (c) => `%${c.charCodeAt(0).toString(16)}`),
  ]) {
    t.equal((await raw(s3, { method: 'PUT', path: `/bucket/${key}`, body: key })).status, 200, `put ${key}`);
    t.equal((await raw(s3, { path: `/bucket/${key}` })).body, key, `get ${key}`);
  }
  const listing = await raw(s3, { path: '/bucket?encoding-type=url&prefix=%FF' });
  t.match(listing.body, '<Key>%FF%00%01</Key>', 'bytes that are no UTF-8');
  t.match(await raw(s3, { path: '/bucket/%zz' }), { status: 400, code: 'InvalidURI' });
  t.match(await raw(s3, { path: '//key' }), { status: 400, code: 'InvalidBucketName' });
});

/** A presigned URL, written apart from the simulator's own code. */
function presign(
  host: string,
  path: string,
  options: { now: number; expires: number; secret?: string; query?: string },
): string {
  const date = new Date(options.now).toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${date.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const query = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`VASTSIMKEY/${scope}`)}`,
    `X-Amz-Date=${date}`,
    `X-Amz-Expires=${options.expires}`,
    'X-Amz-SignedHeaders=host',
    ...(options.query === undefined ? [] : [options.query]),
  ].join('&');
  const canonical = `GET\n${path}\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const key = [date.slice(0, 8), 'us-east-1', 's3', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${options.secret ?? SECRET_KEY}`,
  );
  return `${path}?${query}&X-Amz-Signature=${hmac(key as Buffer, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash}`).toString('hex')}`;
}

t.test('presigned URLs', async (t) => {
  let now = NOW;
  const s3 = await sim(t, { clock: () => now });
  const host = `127.0.0.1:${s3.port}`;
  await raw(s3, { method: 'PUT', path: '/bucket', now });
  await raw(s3, { method: 'PUT', path: '/bucket/key', body: 'data', now });
  const url = presign(host, '/bucket/key', { now, expires: 3600 });
  t.match(await send(s3, { path: url }), { status: 200, body: 'data' });
  t.match(await send(s3, { path: url, headers: { range: 'bytes=1-2' } }), { status: 206, body: 'at' });
  t.match(
    await send(s3, { path: presign(host, '/bucket/key', { now, expires: 60, query: 'x-amz-checksum-mode=ENABLED' }) }),
    { status: 200 },
    'x-amz- parameters stand for headers',
  );
  now = NOW + 3600_000;
  t.match(await send(s3, { path: url }), { status: 200 }, 'to its last second, far beyond the skew');
  now += 1000;
  t.match(await send(s3, { path: url }), { status: 403, code: 'AccessDenied', body: /expired/ });
  now = NOW - 16 * MINUTE;
  t.match(await send(s3, { path: url }), { status: 403, code: 'AccessDenied', body: /not valid yet/ });
  now = NOW;
  const wrong = presign(host, '/bucket/key', { now, expires: 60, secret: 'wrong' });
  t.match(await send(s3, { path: wrong }), { status: 403, code: 'SignatureDoesNotMatch' });
  const long = presign(host, '/bucket/key', { now, expires: 604_801 });
  t.match(await send(s3, { path: long }), { status: 400, code: 'AuthorizationQueryParametersError' });
  t.match(await send(s3, { path: url.replace(/X-Amz-Date=[^&]*&/, '') }), {
    code: 'AuthorizationQueryParametersError',
  });
  const both = signed(s3, { path: url, now }).headers;
  t.match(await send(s3, { path: url }, both), { status: 400, code: 'InvalidArgument' }, 'two signatures');
});
