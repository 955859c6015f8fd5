import t, { type Test } from 'tap';
import { FileStorage } from '../../src/vast/nfs/storage.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore, Storage } from '../../src/vast/store.ts';
import { startServer } from '../vast/s3/support.ts';
import { runKilled, type Script } from './handle-plugin.ts';
import { MIB, randomBytes, textBytes } from './support.ts';

/** 5 MiB is S3's smallest part. */
const script: Script = {
  data: Buffer.concat([randomBytes(9 * MIB), textBytes(6 * MIB), randomBytes(6 * MIB + 512)]),
  minPartBytes: 5 * MIB,
  slots: 4,
  suspensions: [12 * MIB + 512],
  metas: 1,
  swap: true,
};

async function suite(t: Test, storage: Storage, name: (nth: number) => string): Promise<void> {
  t.teardown(() => storage.close());
  const fresh = async (nth: number): Promise<ObjectStore> => {
    await storage.createLsu(name(nth));
    return storage.open(name(nth));
  };
  for (const compress of [false, true]) {
    const options = { compress };
    const { steps } = await runKilled(t, { ...script, options }, 0, await fresh(compress ? 1000 : 0));
    for (let at = 3; at < steps; at += 37) {
      const { where } = await runKilled(t, { ...script, options }, at, await fresh((compress ? 1000 : 0) + at));
      t.pass(`killed ${where}`);
    }
  }
}

t.test('a directory', async (t) => {
  await suite(t, new FileStorage(t.testdir({})), (nth) => `lsu${nth}`);
});

t.test('an S3 endpoint', async (t) => {
  const server = await startServer(t, 'full');
  t.teardown(() => server.close());
  const storage = new S3Storage(new URL(server.url), {
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    ...(server.caFile === undefined ? {} : { caFile: server.caFile }),
    wireIntegrity: 'md5',
  });
  await suite(t, storage, (nth) => `handles-${process.pid}-${nth}`);
});
