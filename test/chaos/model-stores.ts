import type { Test } from 'tap';
import { FileStorage } from '../../src/vast/nfs/storage.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore, Storage } from '../../src/vast/store.ts';
import { startServer } from '../vast/s3/support.ts';

async function open(t: Test, kind: 'directory' | 'simulator'): Promise<Storage> {
  if (kind === 'directory') return new FileStorage(t.testdir({}));
  const server = await startServer(t, 'full');
  t.teardown(() => server.close());
  const { url, accessKey: accessKeyId, secretKey: secretAccessKey, caFile } = server;
  const credentials = { accessKeyId, secretAccessKey };
  return new S3Storage(new URL(url), {
    credentials,
    ...(caFile === undefined ? {} : { caFile }),
    wireIntegrity: 'md5',
  });
}

/** A store as engines really have it: each call makes an LSU of it that nobody has used. */
export async function freshLsus(t: Test, kind: 'directory' | 'simulator'): Promise<() => Promise<ObjectStore>> {
  const storage = await open(t, kind);
  t.teardown(() => storage.close());
  let serial = 0;
  return async () => {
    serial += 1;
    const name = `model-${process.pid}-${serial}`;
    await storage.createLsu(name);
    return storage.open(name);
  };
}
