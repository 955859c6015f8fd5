import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import t from 'tap';
import type { PartInfo } from '../../../src/vast/store.ts';
import { promise } from '../../support/promise.ts';
import { refusal } from '../../support/refusal.ts';
import { bodyOf, fail, faultServer, faultStore, ok, type Script, xml } from './fault-server.ts';

const SIZE = 5 * 2 ** 20;
const md5 = (text: string | Buffer): Buffer => createHash('md5').update(text).digest();
const PARTS: PartInfo[] = [
  { number: 1, size: SIZE, etag: md5('1').toString('hex') },
  { number: 2, size: 10, etag: md5('2').toString('hex') },
];
const JOINED = `${md5(Buffer.concat([md5('1'), md5('2')])).toString('hex')}-2`;

function listed(response: ServerResponse): void {
  const parts = PARTS.map(
    (part) =>
      `<Part><PartNumber>${part.number}</PartNumber><ETag>"${part.etag}"</ETag><Size>${part.size}</Size></Part>`,
  );
  xml(response, `<ListPartsResult><IsTruncated>false</IsTruncated>${parts.join('')}</ListPartsResult>`);
}

function completed(response: ServerResponse, etag: string): void {
  xml(response, `<CompleteMultipartUploadResult><Key>k</Key><ETag>${etag}</ETag></CompleteMultipartUploadResult>`);
}

/** A server that lists the parts, answers HEAD with `etag` and leaves complete to the script. */
function completing(etag: string, script: Script, size = SIZE + 10): Script {
  let completes = 0;
  return (request, response, number) => {
    if (request.method === 'GET') return listed(response);
    if (request.method === 'HEAD') return ok(response, { etag: `"${etag}"`, 'content-length': String(size) });
    completes += 1;
    request.resume();
    return script(request, response, request.method === 'POST' ? completes : number);
  };
}

t.test('complete: an error inside 200, then well', async (t) => {
  promise({
    row: '6',
    promise: 'An error inside 200 is an error: complete is sent again',
    fault: '200 with an error document on complete',
  });
  const server = await faultServer(
    t,
    completing(JOINED, (_request, response, number) => {
      if (number === 1) fail(response, 200, 'InternalError');
      else completed(response, `"${JOINED}"`);
    }),
  );
  const { store, retries } = await faultStore(t, server.url);
  t.match(await store.resumeUpload('k', 'id').complete(PARTS), { size: SIZE + 10, etag: JOINED });
  t.match(retries, [{ operation: 'complete', error: refusal('retryable') }]);
});

t.test('complete: always an error inside 200', async (t) => {
  const server = await faultServer(
    t,
    completing(JOINED, (_request, response) => fail(response, 200, 'InternalError')),
  );
  const { store } = await faultStore(t, server.url, { policy: { budgetMs: 0 } });
  await t.rejects(
    store.resumeUpload('k', 'id').complete(PARTS),
    refusal('retryable', { details: { s3Code: 'InternalError' } }),
  );
});

t.test('complete: no ETag in the answer', async (t) => {
  promise({
    row: '7',
    promise: 'A missing ETag is asked for; an object of another size is damage',
    fault: 'complete without ETag',
  });
  const server = await faultServer(
    t,
    completing(JOINED, (_request, response) => completed(response, '')),
  );
  const { store } = await faultStore(t, server.url);
  t.match(await store.resumeUpload('k', 'id').complete(PARTS), { etag: JOINED }, 'HEAD knows it');
});

t.test('complete: an object of another size', async (t) => {
  const server = await faultServer(
    t,
    completing(JOINED, (_request, response) => completed(response, '"x"'), SIZE),
  );
  const { store } = await faultStore(t, server.url);
  await t.rejects(store.resumeUpload('k', 'id').complete(PARTS), refusal('integrity', { code: 'VOST_WRONG_SIZE' }));
});

t.test('complete: the answer is lost', async (t) => {
  promise({
    row: '6',
    promise: 'When the answer to complete is lost and the upload is gone, the object decides whether it was ours',
    fault: 'connection broken, then NoSuchUpload; our object, another of the same size, of another size',
  });
  const lost: Script = (request, response, number) => {
    if (number === 1) request.socket.destroy();
    else fail(response, 404, 'NoSuchUpload');
  };
  const gone = refusal('not-found', { code: 'VOST_NO_SUCH_UPLOAD' });
  const cases = [
    { what: 'our object is there', etag: JOINED, size: SIZE + 10, well: true },
    { what: 'an ETag that cannot be compared', etag: 'opaque', size: SIZE + 10, well: true },
    { what: 'an older object of the same size', etag: `${'0'.repeat(32)}-2`, size: SIZE + 10, well: false },
    { what: 'an object of another size', etag: JOINED, size: 5, well: false },
  ];
  for (const { what, etag, size, well } of cases) {
    const server = await faultServer(t, completing(etag, lost, size));
    const { store } = await faultStore(t, server.url);
    const result = store.resumeUpload('k', 'id').complete(PARTS);
    if (well) t.match(await result, { size: SIZE + 10, etag }, what);
    else await t.rejects(result, gone, what);
  }
  const server = await faultServer(
    t,
    completing(JOINED, (_request, response) => fail(response, 404, 'NoSuchUpload')),
  );
  const { store } = await faultStore(t, server.url);
  await t.rejects(store.resumeUpload('k', 'id').complete(PARTS), gone, 'without a lost answer it is simply gone');
});

t.test('a part: BadDigest', async (t) => {
  promise({
    row: '8',
    promise: 'A body that the server finds damaged is sent twice again, then told',
    fault: 'BadDigest, XAmzContentSHA256Mismatch',
  });
  for (const [code, times, well] of [
    ['BadDigest', 1, true],
    ['XAmzContentSHA256Mismatch', 2, true],
    ['BadDigest', 9, false],
  ] as const) {
    const server = await faultServer(t, async (request, response, number) => {
      await bodyOf(request);
      if (number <= times) fail(response, 400, code);
      else ok(response, { etag: '"e"' });
    });
    const { store, retries } = await faultStore(t, server.url);
    const put = store.resumeUpload('k', 'id').putPart({ number: 1, offset: 0, body: [Buffer.from('x')], size: 1 });
    if (well) t.match(await put, { etag: 'e' });
    else await t.rejects(put, { failure: 'integrity', code: 'VOST_BODY_DAMAGED', details: { attempts: 3 } });
    t.equal(retries.length, Math.min(times, 2), `${code} is counted`);
  }
});

t.test('a part: a wrong ETag shows with md5', async (t) => {
  promise({
    row: '7',
    promise: 'With wire_integrity md5 an ETag that is not the MD5 sent is damage: sent again, then told',
    fault: 'a wrong ETag for a part, once and always',
  });
  const right = md5('x').toString('hex');
  for (const [times, well] of [
    [1, true],
    [9, false],
  ] as const) {
    const server = await faultServer(t, async (request, response, number) => {
      await bodyOf(request);
      ok(response, { etag: number <= times ? '"0123456789abcdef0123456789abcdef"' : `"${right}"` });
    });
    const { store } = await faultStore(t, server.url, { wireIntegrity: 'md5' });
    const part = { number: 1, offset: 0, body: [Buffer.from('x')], size: 1 };
    const put = store.resumeUpload('k', 'id').putPart(part);
    if (well) t.match(await put, { etag: right });
    else await t.rejects(put, refusal('integrity', { code: 'VOST_BODY_DAMAGED' }));
    t.equal(server.seen[0]?.headers['content-md5'], md5('x').toString('base64'));
  }
});

t.test('abort: parts that linger', async (t) => {
  promise({
    row: '17',
    promise: 'An abort is repeated until the parts are gone, and told when they stay',
    fault: 'parts that stay after an abort',
  });
  for (const [rounds, well] of [
    [2, true],
    [9, false],
  ] as const) {
    let aborts = 0;
    const server = await faultServer(t, (request, response) => {
      if (request.method === 'DELETE') {
        aborts += 1;
        response.writeHead(204).end();
      } else if (aborts < rounds) listed(response);
      else fail(response, 404, 'NoSuchKey');
    });
    const { store } = await faultStore(t, server.url);
    const abort = store.resumeUpload('k', 'id').abort();
    if (well) await abort;
    else await t.rejects(abort, refusal('busy', { code: 'VOST_UPLOAD_LINGERS' }));
    t.equal(aborts, Math.min(rounds, 3));
  }
});

t.test('a stream whose part fails leaves no upload', async (t) => {
  const calls: string[] = [];
  const server = await faultServer(t, async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    await bodyOf(request);
    calls.push(`${request.method} ${[...url.searchParams.keys()].filter((name) => name !== 'x-id').join()}`);
    if (request.method === 'POST') {
      xml(response, '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>');
    } else if (request.method === 'PUT') fail(response, 403, 'AccessDenied');
    else if (request.method === 'DELETE') response.writeHead(204).end();
    else fail(response, 404, 'NoSuchUpload');
  });
  const { store } = await faultStore(t, server.url, { streamPartBytes: 10 });
  async function* source(): AsyncGenerator<Uint8Array, undefined> {
    yield Buffer.alloc(25);
  }
  await t.rejects(store.putStream('k', source()), refusal('access'));
  t.same(calls, ['POST uploads', 'PUT partNumber,uploadId', 'DELETE uploadId', 'GET max-parts,uploadId']);
});
