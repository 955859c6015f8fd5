import t from 'tap';
import { deleteImage } from '../../src/image/delete-image.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import { startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { tempDir } from '../support/temp-dir.ts';
import { context, feed, layout, Slots } from './handle-support.ts';
import { randomBytes, readImage, testResources } from './support.ts';

const DATA = randomBytes(4096);

async function backUp(store: ObjectStore, resources: Resources, name: string): Promise<string> {
  const handle = await createWriteHandle(context(store, resources), layout(resources, name));
  await feed(handle, new Slots(1), DATA);
  await handle.close('complete', DATA.byteLength);
  return handle.imageId;
}

t.test('a small image costs nine requests, and four to delete it', async (t) => {
  const asked: string[] = [];
  const [accessKey, secretKey] = ['SMALLKEY', 'small/secret'];
  const sim = await startS3Sim({
    dir: tempDir(),
    accessKey,
    secretKey,
    checksumMode: 'reject',
    onRequest: ({ operation, key }) => {
      asked.push(`${operation} ${key.split('/').at(-1)}`.trim());
      return undefined;
    },
  });
  t.teardown(() => sim.close());
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const storage = new S3Storage(new URL(sim.url), { credentials });
  t.teardown(() => storage.close());
  await storage.createLsu('lsu');
  const store = await storage.open('lsu');
  const resources = testResources(t);
  // What is asked about the LSU itself is remembered.
  await deleteImage(store, await backUp(store, resources, 'warm'));

  asked.length = 0;
  const imageId = await backUp(store, resources, 'small');
  const together = asked.splice(5, 2).sort();
  t.same(together, ['PutObject index', 'UploadPart image.meta']);
  t.same(asked, [
    'CreateMultipartUpload image.meta',
    'ListMultipartUploads',
    'ListObjectsV2',
    'PutObject pending',
    'PutObject fragment-000001',
    'CompleteMultipartUpload image.meta',
    'DeleteObject pending',
  ]);
  t.ok((await readImage(store, resources, imageId)).equals(DATA));

  asked.length = 0;
  t.equal(await deleteImage(store, imageId), true);
  t.same(asked, ['ListObjectsV2', 'DeleteObject image.meta', 'ListMultipartUploads', 'DeleteObjects']);
});
