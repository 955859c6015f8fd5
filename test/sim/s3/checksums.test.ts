import { createHash, createHmac, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import {
  type ChecksumAlgorithm,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import t from 'tap';
import { CHECKSUM_ALGORITHMS, startChecksum } from '../../../src/sim/s3/checksum/algorithms.ts';
import { combineCrc } from '../../../src/sim/s3/checksum/combine.ts';
import type { S3Sim } from '../../../src/sim/s3/s3-sim.ts';
import { codeOf, PLAIN, type RawRequest, raw, sdk, send, signed, sim } from './support.ts';

const Bucket = 'bucket';
const MODES = ['reject', 'ignore', 'full'] as const;
const crcOf = (data: string) => {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32(data));
  return value.toString('base64');
};

t.test('algorithms give the published check values', async (t) => {
  const check: Record<(typeof CHECKSUM_ALGORITHMS)[number], string> = {
    CRC32: 'cbf43926',
    CRC32C: 'e3069283',
    CRC64NVME: 'ae8b14860a799888',
    SHA1: createHash('sha1').update('123456789').digest('hex'),
    SHA256: createHash('sha256').update('123456789').digest('hex'),
  };
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const running = await startChecksum(algorithm);
    const other = await startChecksum(algorithm);
    for (const piece of ['1234', '56789']) {
      running.update(Buffer.from(piece));
      other.update(Buffer.from('x'));
    }
    t.equal(running.digest().toString('hex'), check[algorithm], algorithm);
    other.digest();
  }
});

t.test('the CRC of the whole follows from those of its parts', async () => {
  const bytes = fc.uint8Array({ maxLength: 5000 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('CRC32', 'CRC32C', 'CRC64NVME'), bytes, bytes, async (algorithm, a, b) => {
      const digest = async (...pieces: Uint8Array[]) => {
        const running = await startChecksum(algorithm);
        for (const piece of pieces) running.update(piece);
        return running.digest();
      };
      return combineCrc(algorithm, await digest(a), await digest(b), b.length).equals(await digest(a, b));
    }),
  );
});

for (const checksumMode of MODES) {
  t.test(`SDK requests in mode ${checksumMode}`, async (t) => {
    const s3 = await sim(t, { checksumMode });
    const plain = sdk(t, s3, PLAIN);
    const standard = sdk(t, s3);
    await plain.send(new CreateBucketCommand({ Bucket }));
    await plain.send(new PutObjectCommand({ Bucket, Key: 'plain', Body: 'data' }));
    const put = await codeOf(standard.send(new PutObjectCommand({ Bucket, Key: 'standard', Body: 'data' })));
    t.equal(put, checksumMode === 'reject' ? 'InvalidArgument' : 'none', 'a checksum in a header');
    const Body = Readable.from([Buffer.alloc(70_000, 1)]);
    const stream = new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: 70_000 });
    t.equal(await codeOf(standard.send(stream)), checksumMode === 'reject' ? 'NotImplemented' : 'none', 'in a trailer');
    if (checksumMode !== 'reject') {
      const head = await standard.send(new HeadObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }));
      t.equal(head.ContentLength, 70_000);
      t.equal(head.ChecksumCRC32 !== undefined, checksumMode === 'full');
      t.equal(head.ContentEncoding, undefined, 'aws-chunked is no encoding of the object');
      const got = await standard.send(new GetObjectCommand({ Bucket, Key: 'stream' }));
      t.ok(Buffer.alloc(70_000, 1).equals(Buffer.from((await got.Body?.transformToByteArray()) ?? [])));
    }
    const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
    t.equal(await codeOf(plain.send(new PutObjectTaggingCommand({ Bucket, Key: 'plain', Tagging }))), 'none');
    const Delete = { Objects: [{ Key: 'plain' }] };
    for (const client of [plain, standard]) {
      t.equal(
        await codeOf(client.send(new DeleteObjectsCommand({ Bucket, Delete }))),
        'none',
        'DeleteObjects works always',
      );
    }
  });

  t.test(`wrong checksums in mode ${checksumMode}`, async (t) => {
    const s3 = await sim(t, { checksumMode });
    await raw(s3, { method: 'PUT', path: '/bucket' });
    const put = (headers: Record<string, string>) =>
      raw(s3, { method: 'PUT', path: '/bucket/key', body: 'data', headers });
    for (const algorithm of CHECKSUM_ALGORITHMS) {
      const header = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const running = await startChecksum(algorithm);
      running.update(Buffer.from('data'));
      const right = running.digest();
      const wrong = Buffer.from(right.map((byte) => byte ^ 1)).toString('base64');
      const bad = await put({ [header]: wrong });
      const good = await put({ [header]: right.toString('base64') });
      t.equal(
        bad.code,
        { reject: 'InvalidArgument', ignore: undefined, full: 'BadDigest' }[checksumMode],
        `${algorithm} wrong`,
      );
      t.equal(
        good.code,
        { reject: 'InvalidArgument', ignore: undefined, full: undefined }[checksumMode],
        `${algorithm} right`,
      );
      t.equal(
        good.headers[header],
        checksumMode === 'full' ? right.toString('base64') : undefined,
        `${algorithm} returned`,
      );
      const head = await raw(s3, {
        method: 'HEAD',
        path: '/bucket/key',
        headers: { 'x-amz-checksum-mode': 'ENABLED' },
      });
      t.equal(
        head.headers[header],
        checksumMode === 'full' ? right.toString('base64') : undefined,
        `${algorithm} stored`,
      );
    }
    const delete_ = '<Delete><Object><Key>key</Key></Object></Delete>';
    const request = { method: 'POST', path: '/bucket?delete', body: delete_ };
    const deleted = await raw(s3, { ...request, headers: { 'x-amz-checksum-crc32': crcOf('other') } });
    t.equal(deleted.code, checksumMode === 'full' ? 'BadDigest' : undefined);
    t.equal((await raw(s3, { ...request, headers: { 'x-amz-checksum-crc32': crcOf(delete_) } })).status, 200);
  });
}

t.test('checksum headers that make no sense, in mode full', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  const put = (headers: Record<string, string>) =>
    raw(s3, { method: 'PUT', path: '/bucket/key', body: 'data', headers });
  const crc = { 'x-amz-checksum-crc32': crcOf('data') };
  t.match(await put({ 'x-amz-checksum-crc32': 'AAAA' }), { status: 400, code: 'InvalidRequest' }, 'wrong length');
  t.match(
    await put({ ...crc, 'x-amz-checksum-crc32c': 'AAAAAA==' }),
    { status: 400, code: 'InvalidRequest' },
    'two of them',
  );
  t.match(
    await put({ 'x-amz-sdk-checksum-algorithm': 'CRC32' }),
    { status: 400, code: 'InvalidRequest' },
    'announced, not sent',
  );
});

t.test('multipart checksums, in mode full', async (t) => {
  const s3 = await sim(t);
  const client = sdk(t, s3, PLAIN);
  await client.send(new CreateBucketCommand({ Bucket }));
  const bodies = [randomBytes(3000), randomBytes(2000), randomBytes(5)];
  const whole = Buffer.concat(bodies);
  await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: whole }));
  const digest = async (algorithm: ChecksumAlgorithm & (typeof CHECKSUM_ALGORITHMS)[number], data: Uint8Array) => {
    const running = await startChecksum(algorithm);
    running.update(data);
    return running.digest();
  };
  for (const [algorithm, type] of [
    ['CRC32', 'COMPOSITE'],
    ['CRC32', 'FULL_OBJECT'],
    ['CRC32C', 'FULL_OBJECT'],
    ['CRC64NVME', 'FULL_OBJECT'],
    ['SHA1', 'COMPOSITE'],
    ['SHA256', 'COMPOSITE'],
  ] as const) {
    const Key = `${algorithm}-${type}`;
    const field = `Checksum${algorithm}` as const;
    const { UploadId, ...created } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: algorithm, ChecksumType: type }),
    );
    t.match(created, { ChecksumAlgorithm: algorithm, ChecksumType: type });
    const at = { Bucket, Key, UploadId };
    const Parts: CompletedPart[] = [];
    for (const [i, Body] of bodies.entries()) {
      const PartNumber = i + 1;
      // The last part is copied, so the simulator has to compute its checksum.
      const sent =
        i < 2
          ? await client.send(new UploadPartCommand({ ...at, PartNumber, Body, ChecksumAlgorithm: algorithm }))
          : (
              await client.send(
                new UploadPartCopyCommand({
                  ...at,
                  PartNumber,
                  CopySource: 'bucket/source',
                  CopySourceRange: 'bytes=5000-5004',
                }),
              )
            ).CopyPartResult;
      t.equal(sent?.[field], (await digest(algorithm, Body)).toString('base64'), `${Key} part ${PartNumber}`);
      Parts.push({ PartNumber, ETag: sent?.ETag, [field]: sent?.[field] });
    }
    t.match((await client.send(new ListPartsCommand(at))).Parts, Parts);
    const wrong = Parts.map((part) => ({ ...part, [field]: Parts[0]?.[field] }));
    t.equal(
      await codeOf(client.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts: wrong } }))),
      'InvalidPart',
    );
    const expected =
      type === 'FULL_OBJECT'
        ? (await digest(algorithm, whole)).toString('base64')
        : `${(await digest(algorithm, Buffer.concat(await Promise.all(bodies.map((body) => digest(algorithm, body)))))).toString('base64')}-3`;
    if (type === 'FULL_OBJECT') {
      const claim = { ...at, MultipartUpload: { Parts }, [field]: Parts[0]?.[field] };
      t.equal(await codeOf(client.send(new CompleteMultipartUploadCommand(claim))), 'BadDigest');
    }
    const done = await client.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }));
    t.match(done, { [field]: expected, ChecksumType: type }, `${Key} object`);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    t.match(head, { [field]: expected, ChecksumType: type });
    const copy = await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `bucket/${Key}` }));
    t.match(copy.CopyObjectResult, {
      [field]: (await digest(algorithm, whole)).toString('base64'),
      ChecksumType: 'FULL_OBJECT',
    });
  }
  const create = (ChecksumAlgorithm: string, ChecksumType: string) =>
    raw(s3, {
      method: 'POST',
      path: '/bucket/x?uploads',
      headers: { 'x-amz-checksum-algorithm': ChecksumAlgorithm, 'x-amz-checksum-type': ChecksumType },
    });
  t.match(await create('SHA256', 'FULL_OBJECT'), { code: 'InvalidRequest' });
  t.match(await create('CRC64NVME', 'COMPOSITE'), { code: 'InvalidRequest' });
  t.match(await create('CRC32', 'OTHER'), { code: 'InvalidRequest' });
  t.match(await create('MD4', 'COMPOSITE'), { code: 'InvalidRequest' });
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ Bucket, Key: 'x', ChecksumAlgorithm: 'SHA256' }),
  );
  const other = new UploadPartCommand({
    Bucket,
    Key: 'x',
    UploadId,
    PartNumber: 1,
    Body: 'x',
    ChecksumAlgorithm: 'CRC32',
  });
  t.equal(await codeOf(client.send(other)), 'InvalidRequest', 'another algorithm than the upload was made for');
});

interface Chunked {
  readonly chunks: readonly string[];
  readonly trailer?: Readonly<Record<string, string>>;
  readonly signChunks?: boolean;
  /** Changes the encoded body before it is sent. */
  readonly tamper?: (body: string) => string;
  readonly decodedLength?: number | undefined;
}

/** An aws-chunked PUT, encoded apart from the simulator's own code. */
function putChunked(s3: S3Sim, options: Chunked) {
  const { chunks, trailer, signChunks = true, tamper = (body) => body } = options;
  const kind = signChunks ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' : 'STREAMING-UNSIGNED-PAYLOAD';
  const length = 'decodedLength' in options ? options.decodedLength : chunks.join('').length;
  const request: RawRequest = {
    method: 'PUT',
    path: '/bucket/chunked',
    payloadHash: trailer === undefined ? kind : `${kind}-TRAILER`,
    headers: {
      'content-encoding': 'aws-chunked,gzip',
      ...(length === undefined ? {} : { 'x-amz-decoded-content-length': String(length) }),
      ...(trailer === undefined ? {} : { 'x-amz-trailer': Object.keys(trailer).join(',') }),
    },
  };
  const { headers, key, date, scope, signature } = signed(s3, request);
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  let previous = signature;
  const link = (name: string, ...digests: string[]) => {
    previous = createHmac('sha256', key)
      .update([name, date, scope, previous, ...digests].join('\n'))
      .digest('hex');
    return previous;
  };
  let body = '';
  for (const chunk of [...chunks, '']) {
    const sign = signChunks ? `;chunk-signature=${link('AWS4-HMAC-SHA256-PAYLOAD', sha256(''), sha256(chunk))}` : '';
    body += `${chunk.length.toString(16)}${sign}\r\n${chunk}${chunk === '' ? '' : '\r\n'}`;
  }
  const lines = Object.entries(trailer ?? {}).map(([name, value]) => `${name}:${value}`);
  body += lines.map((line) => `${line}\r\n`).join('');
  if (signChunks && trailer !== undefined) {
    body += `x-amz-trailer-signature:${link('AWS4-HMAC-SHA256-TRAILER', sha256(lines.map((line) => `${line}\n`).join('')))}\r\n`;
  }
  return send(s3, { ...request, body: tamper(`${body}\r\n`) }, headers);
}

t.test('aws-chunked bodies', async (t) => {
  const s3 = await sim(t);
  await raw(s3, { method: 'PUT', path: '/bucket' });
  const chunks = ['first'.repeat(20_000), 'second', 'third'];
  const crc = { 'x-amz-checksum-crc32': crcOf(chunks.join('')) };
  for (const [what, options] of [
    ['signed', { chunks }],
    ['signed with a trailer', { chunks, trailer: crc }],
    ['unsigned with a trailer', { chunks, trailer: crc, signChunks: false }],
    ['empty', { chunks: [] }],
  ] as const) {
    t.match(await putChunked(s3, options), { status: 200 }, what);
    const got = await raw(s3, { path: '/bucket/chunked' });
    t.equal(got.body, options.chunks.join(''), `${what}: what was meant`);
    t.equal(got.headers['content-encoding'], 'gzip');
  }
  for (const [what, options, code] of [
    ['data changed', { chunks, tamper: (body: string) => body.replace('second', 'sEcond') }, 'SignatureDoesNotMatch'],
    [
      'signature missing',
      { chunks, tamper: (body: string) => body.replace(/;chunk-signature=\w+/, '') },
      'SignatureDoesNotMatch',
    ],
    [
      'trailer changed',
      { chunks, trailer: crc, tamper: (body: string) => body.replace(/(crc32:.)./, '$1_') },
      'SignatureDoesNotMatch',
    ],
    ['wrong checksum', { chunks, trailer: { 'x-amz-checksum-crc32': crcOf('other') } }, 'BadDigest'],
    [
      'checksum not sent',
      { chunks, trailer: crc, signChunks: false, tamper: (body: string) => body.replace(/x-amz-checksum.*\r\n/, '') },
      'BadDigest',
    ],
    ['length not given', { chunks, decodedLength: undefined }, 'MissingContentLength'],
    ['too long', { chunks, decodedLength: 100_000 }, 'IncompleteBody'],
    ['too short', { chunks, decodedLength: 200_000 }, 'IncompleteBody'],
    ['cut off', { chunks, tamper: (body: string) => body.slice(0, -100) }, 'IncompleteBody'],
    ['no chunk', { chunks, tamper: () => 'plain text that is no chunk\r\n' }, 'IncompleteBody'],
    ['an endless line', { chunks, tamper: () => '1'.repeat(1000) }, 'IncompleteBody'],
    [
      'no line end',
      { chunks, signChunks: false, trailer: crc, tamper: (body: string) => body.replaceAll('\r\n', '\n') },
      'IncompleteBody',
    ],
  ] as const) {
    t.match(await putChunked(s3, options), { code }, what);
  }
  t.match(await raw(s3, { path: '/bucket/chunked' }), { status: 200, body: '' }, 'none of these changed the object');
});
