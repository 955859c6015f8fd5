/**
 * The newer checksum headers and trailers, by a server that computes them and is not ours (moto): our simulator must
 * give the same values to the same SDK, and the S3 store must live with a server that gives them unasked.
 */
import { Readable } from 'node:stream';
import {
  type ChecksumAlgorithm,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { pattern } from '../vast/conformance/support.ts';
import { keys, MIB, setting } from './support.ts';

const ALGORITHMS = ['CRC32', 'CRC32C', 'SHA1', 'SHA256', 'CRC64NVME'] as const;
const BUCKET = 'checksums';
const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = keys();
const MOTO = setting('REAL_STORES').replace(/^s3:/, '');

type Values = Record<string, unknown>;

/** moto combines the parts' checksums as CRC32 where it should as CRC32C or CRC64NVME, and says none of `-2`, their number. */
const COMBINED: ReadonlySet<string> = new Set(['CRC32', 'SHA1', 'SHA256']);

function withoutCount(values: Values): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value).replace(/-2$/, '')]));
}

/** The checksums in an answer. */
function checksums(answer: object): Values {
  const own = Object.entries(answer).filter(([name]) => /^Checksum(CRC|SHA)/.test(name));
  return Object.fromEntries(own.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function clientOf(endpoint: string): S3Client {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  t.teardown(() => client.destroy());
  return client;
}

/** Everything that a server says about objects sent as one buffer, as a stream with a trailer, and in parts. */
async function observe(endpoint: string): Promise<Values> {
  const client = clientOf(endpoint);
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const seen: Values = {};
  for (const algorithm of ALGORITHMS) {
    const body = pattern(100_000, 5);
    const ChecksumAlgorithm = algorithm;
    const buffer = { Bucket: BUCKET, Key: `buffer-${algorithm}` };
    seen[`put ${algorithm}`] = checksums(
      await client.send(new PutObjectCommand({ ...buffer, Body: body, ChecksumAlgorithm })),
    );
    const stream = { Bucket: BUCKET, Key: `stream-${algorithm}` };
    const Body = Readable.from([body.subarray(0, 60_000), body.subarray(60_000)]);
    const put = new PutObjectCommand({ ...stream, Body, ContentLength: body.length, ChecksumAlgorithm });
    seen[`put with a trailer ${algorithm}`] = checksums(await client.send(put));
    for (const target of [buffer, stream]) {
      const answer = await client.send(new GetObjectCommand({ ...target, ChecksumMode: 'ENABLED' }));
      seen[`get ${target.Key}`] = checksums(answer);
      t.ok(body.equals((await answer.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${endpoint} ${target.Key}`);
    }
    seen[`parts ${algorithm}`] = await observeParts(client, algorithm);
  }
  return seen;
}

async function observeParts(client: S3Client, algorithm: ChecksumAlgorithm): Promise<Values> {
  const target = { Bucket: BUCKET, Key: `parts-${algorithm}` };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm: algorithm }));
  const Parts = [];
  for (const [index, size] of [5 * MIB, 1000].entries()) {
    const PartNumber = index + 1;
    const part = { ...target, UploadId, PartNumber, Body: pattern(size, PartNumber), ChecksumAlgorithm: algorithm };
    const answer = await client.send(new UploadPartCommand(part));
    Parts.push({ PartNumber, ETag: answer.ETag, ...checksums(answer) });
  }
  await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
  const head = await client.send(new HeadObjectCommand({ ...target, ChecksumMode: 'ENABLED' }));
  return { parts: Parts, ...(COMBINED.has(algorithm) ? { whole: withoutCount(checksums(head)) } : {}) };
}

t.test('the simulator gives the checksums that moto gives', async (t) => {
  const sim = await startS3Sim({
    dir: t.testdir({}),
    accessKey: accessKeyId,
    secretKey: secretAccessKey,
    checksumMode: 'full',
  });
  try {
    const [ours, theirs] = [await observe(sim.url), await observe(MOTO)];
    for (const [what, values] of Object.entries(theirs)) t.same(ours[what], values, what);
  } finally {
    await sim.close();
  }
});

t.test('the store reads what was stored with checksums', async (t) => {
  const storage = new S3Storage(new URL(MOTO), { credentials: { accessKeyId, secretAccessKey } });
  t.teardown(() => storage.close());
  const store = await storage.open(BUCKET);
  const into = Buffer.alloc(50_000);
  for (const algorithm of ALGORITHMS) {
    for (const way of ['buffer', 'stream']) {
      await store.read(`${way}-${algorithm}`, 1000, into);
      t.ok(pattern(100_000, 5).subarray(1000, 51_000).equals(into), `${way} ${algorithm}`);
    }
  }
});
