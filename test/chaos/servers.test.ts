import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import { ImageWriter } from '../../src/image/image-writer.ts';
import { Authority } from '../../src/sim/tls/authority.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { MIB, randomBytes, readImage, testResources, writeImage, writerOptions } from '../image/support.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { tempDir } from '../support/temp-dir.ts';
import { VipFarm } from '../support/vip-farm.ts';
import { Wire } from '../support/wire.ts';

// What is wrong with a whole server, not with a request: its clock, its certificate, what it can do.

const PART = 5 * MIB;
const DATA = randomBytes(PART + MIB + 5, 'servers');
const resources = testResources(t, 64 * MIB);
const options = () => writerOptions(resources, 'x', { partBytes: PART });

for (const minutes of [20, -20]) {
  t.test(`the clock of the server is ${minutes} minutes off, from the beginning and in mid-backup`, async (t) => {
    promise({
      row: '12',
      promise: 'Clocks that differ by 20 minutes, or begin to, cost a refused request, not a backup or restore',
      fault:
        'RequestTimeTooSkewed of the simulator, its clock 20 minutes ahead and behind, also from the second part on',
    });
    let skewMs = minutes * 60_000;
    let parts = 0;
    const wire = await Wire.start(t, 'http', {
      clock: () => Date.now() + skewMs,
      onRequest: ({ operation }) => {
        if (operation === 'UploadPart') parts += 1;
        return undefined;
      },
    });
    const writer = await ImageWriter.create(wire.clean, resources, options());
    await writer.write(0, DATA.subarray(0, PART));
    while (writer.progress.acknowledged === 0) await new Promise(setImmediate);
    t.equal(parts, 1);
    skewMs = -skewMs;
    await writer.write(PART, DATA.subarray(PART));
    await writer.commit();
    t.equal(parts, 3, 'the second part was refused, and sent again by the right clock');
    const { imageId } = writer;
    const line = await wire.line(1, []);
    skewMs = -skewMs;
    t.ok((await readImage(line.store, resources, imageId)).equals(DATA));
    await line.close();
    t.same(await orphans(wire.clean), []);
  });
}

t.test('the certificate of the server expires in mid-backup', async (t) => {
  promise({
    row: '13',
    promise:
      'A certificate that expires in mid-backup fails it at the next connection and says so; renewed, the backup goes well',
    fault: 'the simulator shows an expired certificate from the first part on, its connections broken',
  });
  const dir = tempDir();
  const authority = await Authority.open(dir);
  const good = await authority.issueServer(['127.0.72.1']);
  const expired = await authority.issueServer(['127.0.72.1'], -1000);
  let swap: Promise<void> | undefined;
  const restart = async (tls: typeof good): Promise<void> => {
    const [vip] = farm.vips;
    if (vip === undefined) return;
    await vip.stop();
    vip.tls = tls;
    await vip.start();
  };
  const farm = await VipFarm.start(t, {
    count: 1,
    subnet: 72,
    tls: good,
    onRequest: (number) => {
      if (number === armed) swap = restart(expired);
    },
  });
  let armed = 0;
  const storage = new S3Storage(new URL(farm.vips[0]?.url ?? ''), {
    credentials: farm.credentials,
    caFile: authority.certFile,
    clock: { now: () => performance.now(), sleep: () => new Promise(setImmediate), random: () => 0.5 },
  });
  t.teardown(() => storage.close());
  await storage.createLsu('lsu');
  const store = await storage.open('lsu');
  armed = (farm.vips[0]?.requests ?? 0) + 6;
  const error: unknown = await writeImage(store, resources, options(), DATA, MIB).catch((error: unknown) => error);
  t.ok(swap, 'the certificate was replaced');
  await swap;
  t.ok(error instanceof EngineError);
  t.match(error, { failure: 'access', code: 'VOST_TLS_TRUST', advice: /renew the certificate/ });
  await restart(good);
  const images = await Array.fromAsync(listImages(store));
  t.notOk(
    images.some(({ state }) => state === 'complete'),
    'no image is visible',
  );
  t.same(await orphans(store), []);
  const { imageId } = await writeImage(
    store,
    resources,
    writerOptions(resources, 'again', { partBytes: PART }),
    DATA,
    MIB,
  );
  t.ok((await readImage(store, resources, imageId)).equals(DATA));
});

t.test('a server that refuses checksums and trailers and ignores conditions', async (t) => {
  promise({
    row: '20',
    promise: 'A backup needs no checksum headers, no trailers, no conditional writes',
    fault: 'the simulator refuses x-amz-checksum-* and aws-chunked and ignores If-None-Match; http and https',
  });
  for (const scheme of ['http', 'https'] as const) {
    const wire = await Wire.start(t, scheme, { checksumMode: 'reject', conditionalWrites: 'ignore' });
    const { imageId } = await writeImage(wire.clean, resources, options(), DATA, MIB);
    t.ok((await readImage(wire.clean, resources, imageId)).equals(DATA), scheme);
    t.same(await orphans(wire.clean), []);
  }
});
