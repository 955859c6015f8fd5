import { Readable } from 'node:stream';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { Job, LibStorageWork } from '../case.ts';
import type { GeneratedSource } from '../source.ts';
import { CREDENTIALS } from './image.ts';
import type { Prepared } from './prepared.ts';

/** With this header given, the SDK's signer does not hash the body. */
function sendUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (exchange) => {
      (exchange.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(exchange);
    },
    { step: 'build', name: 'benchUnsigned' },
  );
}

/**
 * The opponent: same part size and concurrency. Its stream hands out memory that never changes, because
 * lib-storage keeps references until a part is full: one copy less than a real source costs it.
 */
export async function prepareLibStorage(job: Job, work: LibStorageWork, source: GeneratedSource): Promise<Prepared> {
  const config: S3ClientConfig = {
    endpoint: job.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
    ...(work.mode === 'default' ? {} : { requestChecksumCalculation: 'WHEN_REQUIRED' }),
  };
  const client = new S3Client(config);
  if (work.mode === 'unsigned') sendUnsigned(client);
  const Body = Readable.from(source.unstamped(job.bytes), { objectMode: false, highWaterMark: 1024 * 1024 });
  const upload = new Upload({
    client,
    params: { Bucket: 'bench-lsu', Key: `lib-storage-${process.pid}`, Body },
    partSize: job.partBytes,
    queueSize: job.parallelParts,
  });
  return {
    run: async () => {
      await upload.done();
      return { storedBytes: job.bytes };
    },
    close: async () => client.destroy(),
  };
}
