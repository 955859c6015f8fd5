import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import type { PartBody, Upload } from '../../../src/vast/store.ts';
import { refusal } from '../../support/refusal.ts';
import { bodyOf, faultServer, faultStore, ok, xml } from './fault-server.ts';

const md5 = (bytes: string | Buffer): Buffer => createHash('md5').update(bytes).digest();
const BODY = 'manifest';
const PART_ETAG = md5(BODY).toString('hex');
const JOINED = `${md5(md5(BODY)).toString('hex')}-1`;
const part = (number: number): PartBody => ({ number, offset: 0, body: [Buffer.from(BODY)], size: BODY.length });

interface Answers {
  /** Of a part. */
  readonly etag?: string;
  /** Of the completion. */
  readonly joined?: string;
  /** Of the object, as HEAD says. */
  readonly size?: number;
  readonly parts?: readonly number[];
}

/** An upload of a server that answers as wanted, and what it is asked. */
async function begin(t: Test, answers: Answers): Promise<{ readonly upload: Upload; readonly asked: string[] }> {
  const { etag = PART_ETAG, joined = JOINED, size = BODY.length, parts = [1] } = answers;
  const asked: string[] = [];
  const listed = parts.map(
    (number) => `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag><Size>${BODY.length}</Size></Part>`,
  );
  const server = await faultServer(t, async (request, response) => {
    await bodyOf(request);
    const { searchParams } = new URL(request.url ?? '/', 'http://x');
    asked.push(searchParams.has('uploads') ? 'begin' : (request.method ?? ''));
    if (searchParams.has('uploads'))
      xml(response, '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>');
    else if (request.method === 'PUT') ok(response, { etag: `"${etag}"` });
    else if (request.method === 'GET')
      xml(response, `<ListPartsResult><IsTruncated>false</IsTruncated>${listed.join('')}</ListPartsResult>`);
    else if (request.method === 'HEAD') ok(response, { etag: `"${joined}"`, 'content-length': String(size) });
    else xml(response, `<CompleteMultipartUploadResult><ETag>"${joined}"</ETag></CompleteMultipartUploadResult>`);
  });
  const { store } = await faultStore(t, server.url);
  return { upload: await store.createUpload('k'), asked };
}

t.test('an upload of one small part that came as it was sent is completed without a look', async (t) => {
  const { upload, asked } = await begin(t, {});
  const info = await upload.complete([await upload.putPart(part(1))]);
  t.match(info, { key: 'k', size: BODY.length, etag: JOINED });
  t.same(asked, ['begin', 'PUT', 'POST']);
});

t.test('whatever is not certain is looked at', async (t) => {
  const cases: (Answers & { what: string; wanted: string[] })[] = [
    { what: 'the part’s ETag is no MD5 of it', etag: 'opaque', wanted: ['begin', 'PUT', 'GET', 'POST', 'HEAD'] },
    { what: 'the answer has no ETag', joined: '', wanted: ['begin', 'PUT', 'POST', 'HEAD'] },
    { what: 'the answer has another ETag', joined: `${'0'.repeat(32)}-1`, wanted: ['begin', 'PUT', 'POST', 'HEAD'] },
  ];
  for (const { what, wanted, ...answers } of cases) {
    const { upload, asked } = await begin(t, answers);
    t.match(await upload.complete([await upload.putPart(part(1))]), { size: BODY.length }, what);
    t.same(asked, wanted, what);
  }
  const { upload } = await begin(t, { joined: '', size: 3 });
  await t.rejects(
    upload.complete([await upload.putPart(part(1))]),
    refusal('integrity', { code: 'VOST_WRONG_SIZE' }),
    'an object of another size is damage',
  );
});

t.test('parts that are not named are found', async (t) => {
  const { upload, asked } = await begin(t, { parts: [1, 2] });
  const first = await upload.putPart(part(1));
  await upload.putPart(part(2));
  await t.rejects(upload.complete([first]), refusal('usage'));
  t.same(asked, ['begin', 'PUT', 'PUT', 'GET'], 'and nothing is published');
  const other = await begin(t, {});
  const sent = await other.upload.putPart(part(1));
  await t.rejects(other.upload.complete([{ ...sent, etag: 'x' }]), refusal('usage'), 'nor is a part of another ETag');
});
