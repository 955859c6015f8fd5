import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import type { Digests } from '../../../src/vast/s3/integrity.ts';

function digest(algorithm: string, pieces: readonly Uint8Array[]): Buffer {
  const hash = createHash(algorithm);
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

/** The digests without the native bridge. */
export const nodeDigests: Digests = {
  sha256: async (pieces) => digest('sha256', pieces),
  md5: async (pieces) => digest('md5', pieces),
};

/** An S3 server to run against. */
export interface TestServer {
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** PEM file of the server's authority. */
  readonly caFile?: string;
  close(): Promise<void>;
}

export type ChecksumMode = 'reject' | 'ignore' | 'full';

interface Simulator {
  startS3Sim(options: {
    dir: string;
    accessKey: string;
    secretKey: string;
    checksumMode: ChecksumMode;
  }): Promise<{ readonly url: string; close(): Promise<void> }>;
}

/**
 * The server named by VOST_TEST_S3 (`http://KEY:SECRET@HOST:PORT`; RadosGW or a real cluster; VOST_TEST_S3_CA
 * names the authority of an https one), or our simulator in the given mode.
 */
export async function startServer(t: Test, checksumMode: ChecksumMode): Promise<TestServer> {
  const named = process.env['VOST_TEST_S3'];
  if (named !== undefined) {
    const { origin, username: accessKey, password: secretKey } = new URL(named);
    const caFile = process.env['VOST_TEST_S3_CA'];
    return { url: origin, accessKey, secretKey, ...(caFile ? { caFile } : {}), close: async () => undefined };
  }
  const path = '../../../src/sim/s3/s3-sim.ts';
  const { startS3Sim } = (await import(path)) as Simulator;
  const keys = { accessKey: 'conformance', secretKey: 'conformance-secret' };
  const sim = await startS3Sim({ dir: t.testdir({}), checksumMode, ...keys });
  return { url: sim.url, ...keys, close: () => sim.close() };
}

let serial = 0;

/** Make a bucket with object lock; resolves to its name. */
export async function makeLockingLsu({ url, accessKey, secretKey, caFile }: TestServer): Promise<string> {
  serial += 1;
  const Bucket = `locking-${process.pid}-${serial}`;
  const client = new S3Client({
    endpoint: url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    ...(caFile ? { requestHandler: { httpsAgent: new Agent({ ca: await readFile(caFile) }) } } : {}),
  });
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  client.destroy();
  return Bucket;
}
