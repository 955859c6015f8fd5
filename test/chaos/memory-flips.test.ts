import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { listImages } from '../../src/image/catalog.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import { context, feed, layout, Slots } from '../image/handle-support.ts';
import { MIB, memoryLsu, randomBytes, testResources, textBytes, writeImage, writerOptions } from '../image/support.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { Wire } from '../support/wire.ts';
import { nodeDigests } from '../vast/s3/support.ts';

// Bits that flip in our own memory, between the digests and the wire.

const DATA = Buffer.concat([textBytes(3 * MIB), randomBytes(MIB + 512, 'flip')]);

for (const compress of [false, true]) {
  t.test(`a bit of a slot flips behind its digests ${compress ? ', then lz4' : ''}`, async (t) => {
    promise({
      row: '9',
      promise:
        'A bit that flips in a slot between its digest and the store is stored unnoticed; verify, scrub and restore tell it with image, offset and leaf',
      fault: 'one bit of the third chunk flips when its leaves have been digested, lz4 or not',
    });
    const resources = testResources(t);
    let chunks = 0;
    const leafDigests = async (data: Uint8Array): Promise<Buffer> => {
      const digests = await resources.bridge.leafDigests(data);
      chunks += 1;
      if (chunks === 3) data[1000] = (data[1000] ?? 0) ^ 4;
      return digests;
    };
    const store = await memoryLsu({ minPartBytes: 1 });
    const faulty = { ...resources, bridge: { ...resources.bridge, leafDigests } };
    const handle = await createWriteHandle(context(store, faulty), layout(faulty, 'x', { compress }));
    // One slot: the chunks are digested in their order.
    await feed(handle, new Slots(1), DATA);
    await handle.close('complete', DATA.byteLength);
    t.ok(chunks > 3, 'it flipped');
    const reader = await ImageReader.open(store, resources, handle.imageId);
    const error: unknown = await verifyImage(reader, { readAhead: 2 }).catch((error: unknown) => error);
    t.ok(error instanceof EngineError);
    const details = { image: handle.imageId, chunk: 2, leaf: 0, offset: 2 * MIB };
    t.match(error, { failure: 'integrity', code: 'VOST_CORRUPT', details });
    t.same(await orphans(store), []);
  });
}

t.test('a bit flips behind the digest that goes into the signature', async (t) => {
  promise({
    row: '9',
    promise:
      'A bit that flips after the body was digested for the wire is refused by the server however often it is sent; the backup fails as damaged',
    fault: 'one bit of a part flips after its x-amz-content-sha256 was taken, http',
  });
  const resources = testResources(t, 64 * MIB);
  const wire = await Wire.start(t, 'http');
  let flips = 0;
  const digests = {
    ...nodeDigests,
    sha256: async (pieces: readonly Uint8Array[]) => {
      const digest = await nodeDigests.sha256(pieces);
      const [piece] = pieces;
      if (flips === 0 && piece !== undefined && piece.byteLength >= MIB) {
        flips += 1;
        piece[77] = (piece[77] ?? 0) ^ 1;
      }
      return digest;
    },
  };
  const line = await wire.line(1, [], { digests });
  const options = writerOptions(resources, 'x', { partBytes: 5 * MIB });
  const error: unknown = await writeImage(line.store, resources, options, randomBytes(6 * MIB)).catch(
    (error: unknown) => error,
  );
  await line.close();
  t.equal(flips, 1);
  t.ok(error instanceof EngineError);
  t.match(error, { failure: 'integrity', code: 'VOST_BODY_DAMAGED', details: { attempts: 3 } });
  t.equal(line.retries.length, 2, 'counted');
  const images = await Array.fromAsync(listImages(wire.clean));
  t.notOk(
    images.some(({ state }) => state === 'complete'),
    'no image is visible',
  );
  t.same(await orphans(wire.clean), []);
});
