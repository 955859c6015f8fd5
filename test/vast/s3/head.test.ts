import t from 'tap';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import { refusal } from '../../support/refusal.ts';
import { fail, faultServer, faultStore, ok, xml } from './fault-server.ts';
import { nodeDigests, startServer } from './support.ts';

const LISTING = '<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>';

t.test('a refused HEAD names no reason; a listing does', async (t) => {
  for (const [name, expected] of [
    ['SignatureDoesNotMatch', refusal('credentials', { code: 'VOST_CREDENTIALS', advice: /access key/ })],
    ['RequestTimeTooSkewed', refusal('credentials', { advice: /clocks/ })],
    ['AccessDenied', refusal('access', { code: 'VOST_ACCESS_DENIED', advice: /rights/ })],
    ['NoSuchBucket', refusal('not-found')],
  ] as const) {
    const server = await faultServer(t, (request, response) => {
      if (request.method === 'HEAD') response.writeHead(403).end();
      else fail(response, name === 'NoSuchBucket' ? 404 : 403, name);
    });
    const { store } = await faultStore(t, server.url);
    // No bucket is no key either.
    if (name === 'NoSuchBucket') t.equal(await store.head('a'), undefined);
    else await t.rejects(store.head('a'), expected, name);
  }
});

t.test('when the reason has gone, the HEAD is sent again', async (t) => {
  const server = await faultServer(t, (request, response, number) => {
    if (number === 1) response.writeHead(403).end();
    else if (number === 2) fail(response, 403, 'RequestTimeTooSkewed');
    else if (request.method === 'GET') xml(response, LISTING);
    else ok(response, { 'content-length': '5', etag: '"x"' });
  });
  const { store } = await faultStore(t, server.url);
  t.match(await store.head('a'), { size: 5 });
  t.same(
    server.seen.map(({ method }) => method),
    ['HEAD', 'GET', 'GET', 'HEAD'],
  );
});

t.test('a right that only HEAD lacks is a missing right', async (t) => {
  const server = await faultServer(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(403).end();
    else xml(response, LISTING);
  });
  const { store } = await faultStore(t, server.url);
  await t.rejects(store.head('a'), refusal('access'));
  t.equal(server.seen.length, 3);
});

t.test('a wrong secret is told when an LSU is opened', async (t) => {
  const server = await startServer(t, 'ignore');
  const storage = new S3Storage(new URL(server.url), {
    credentials: { accessKeyId: server.accessKey, secretAccessKey: 'not-the-secret' },
    digests: nodeDigests,
    ...(server.caFile === undefined ? {} : { caFile: server.caFile }),
  });
  t.teardown(async () => {
    await storage.close();
    await server.close();
  });
  await t.rejects(storage.open('some-lsu'), refusal('credentials', { code: 'VOST_CREDENTIALS' }));
});
