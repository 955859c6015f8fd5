import type { Test } from 'tap';
import type { WireIntegrity } from '../../../src/vast/s3/options.ts';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { storeConformance } from '../store-conformance.ts';
import { type ChecksumMode, makeLockingLsu, nodeDigests, startServer } from './support.ts';

const PART_BYTES = 5 * 2 ** 20;

/** The suite against one server in one mode; small pages, so that every listing has several. */
export async function s3Conformance(t: Test, mode: ChecksumMode, wireIntegrity: WireIntegrity): Promise<void> {
  await storeConformance(t, async (t) => {
    const server = await startServer(t, mode);
    const make = (): S3Storage =>
      new S3Storage(new URL(server.url), {
        credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
        digests: nodeDigests,
        ...(server.caFile === undefined ? {} : { caFile: server.caFile }),
        wireIntegrity,
        pageSize: 7,
        streamPartBytes: PART_BYTES,
        copyPartBytes: PART_BYTES,
        connections: 16,
      });
    const storage = make();
    const lockingLsu = async (): Promise<ObjectStore> => {
      const lsu = await makeLockingLsu(server);
      return storage.open(lsu);
    };
    return {
      storage,
      features: { reopen: make, partBytes: PART_BYTES, streamPartBytes: PART_BYTES, pageSize: 7, lockingLsu },
      cleanup: () => server.close(),
    };
  });
}
