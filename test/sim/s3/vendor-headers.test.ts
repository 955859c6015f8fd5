/** VAST's own extensions of S3: rename in one request, and deletion of all that lies below. */
import t from 'tap';
import { raw, sim } from './support.ts';

const rename = (from: string, more: Record<string, string> = {}) => ({
  'x-amz-copy-source': from,
  'x-amz-copy-disposition': 'replace',
  ...more,
});

t.test('x-amz-copy-disposition: replace moves an object with its metadata', async (t) => {
  const s3 = await sim(t);
  for (const bucket of ['one', 'two-b']) await raw(s3, { method: 'PUT', path: `/${bucket}x` });
  const headers = { 'x-amz-meta-a': 'b', 'content-type': 'text/x' };
  const { headers: put } = await raw(s3, { method: 'PUT', path: '/onex/from', body: 'data', headers });
  const moved = await raw(s3, { method: 'PUT', path: '/onex/to', headers: rename('/onex/from') });
  t.match(moved, { status: 200, body: /<CopyObjectResult/ });
  t.match(await raw(s3, { path: '/onex/from' }), { status: 404 });
  const got = await raw(s3, { path: '/onex/to' });
  t.match(got, { status: 200, body: 'data', headers: { ...headers, etag: put.etag } });
  t.match(await raw(s3, { method: 'PUT', path: '/two-bx/to', headers: rename('/onex/to') }), { status: 200 });
  t.match(await raw(s3, { path: '/two-bx/to' }), { status: 200, body: 'data' });
  t.match(await raw(s3, { path: '/onex/to' }), { status: 404 });
});

t.test('a rename changes nothing on the way, and only CopyObject renames', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  await raw(s3, { method: 'PUT', path: '/bucket/a', body: 'data' });
  const cases: [path: string, headers: Record<string, string>, status: number, code: string][] = [
    ['/bucket/b', rename('/bucket/a', { 'x-amz-metadata-directive': 'REPLACE' }), 400, 'InvalidRequest'],
    ['/bucket/b', rename('/bucket/a', { 'x-amz-acl': 'private' }), 400, 'InvalidRequest'],
    ['/bucket/a', rename('/bucket/a'), 400, 'InvalidRequest'],
    ['/bucket/b', { ...rename('/bucket/a'), 'x-amz-copy-disposition': 'copy' }, 400, 'InvalidArgument'],
    ['/bucket/b', rename('/bucket/none'), 404, 'NoSuchKey'],
    ['/bucket/b', { 'x-amz-copy-disposition': 'replace' }, 501, 'NotImplemented'],
    ['/bucket/b', { 'x-amz-delete-contents': 'true' }, 501, 'NotImplemented'],
  ];
  for (const [path, headers, status, code] of cases) {
    t.match(await raw(s3, { method: 'PUT', path, headers }), { status, code }, JSON.stringify(headers));
  }
  t.match(await raw(s3, { path: '/bucket/a' }), { status: 200, body: 'data' });
});

t.test('x-amz-delete-contents: true deletes what lies below', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  for (const key of ['a', 'a/b', 'a/c/d', 'ab', 'z'])
    await raw(s3, { method: 'PUT', path: `/bucket/${key}`, body: key });
  const keys = async () =>
    [...(await raw(s3, { path: '/bucket' })).body.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key);
  const headers = { 'x-amz-delete-contents': 'true' };
  t.match(await raw(s3, { method: 'DELETE', path: '/bucket/a/c/', headers }), { status: 204 });
  t.same(await keys(), ['a', 'a/b', 'ab', 'z']);
  t.match(await raw(s3, { method: 'DELETE', path: '/bucket/a', headers }), { status: 204 });
  t.same(await keys(), ['ab', 'z']);
  t.match(await raw(s3, { method: 'DELETE', path: '/bucket' }), { status: 409, code: 'BucketNotEmpty' });
  t.match(await raw(s3, { method: 'DELETE', path: '/bucket', headers }), { status: 204 });
  t.match(await raw(s3, { path: '/bucket' }), { status: 404 });
});

t.test('without a trash folder nothing goes', async (t) => {
  const s3 = await sim(t, { trash: false });
  await raw(s3, { method: 'PUT', path: '/bucket' });
  await raw(s3, { method: 'PUT', path: '/bucket/a', body: 'a' });
  const headers = { 'x-amz-delete-contents': 'true' };
  for (const path of ['/bucket/a', '/bucket']) {
    t.match(await raw(s3, { method: 'DELETE', path, headers }), { status: 400, code: 'InvalidRequest' });
  }
  t.match(await raw(s3, { path: '/bucket/a' }), { status: 200 });
});
