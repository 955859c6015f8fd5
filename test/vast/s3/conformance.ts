import type { Test } from 'tap';
import type { WireIntegrity } from '../../../src/vast/s3/options.ts';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { promise } from '../../support/promise.ts';
import { storeConformance } from '../store-conformance.ts';
import { type ChecksumMode, makeLockingLsu, nodeDigests, startServer } from './support.ts';

const PART_BYTES = 5 * 2 ** 20;

/** The suite against one server in one mode; small pages, so that every listing has several. */
export async function s3Conformance(t: Test, mode: ChecksumMode, wireIntegrity: WireIntegrity): Promise<void> {
  promise({
    row: '20',
    promise: 'The store keeps its contract on servers that verify, ignore or refuse checksum headers',
    fault: 'the suite of all stores against the simulator in three modes',
  });
  promise({
    row: '19',
    promise: 'Parts are listed whole, however many pages they take and in whatever order they came',
    fault: 'pages of seven, parts sent in any order and at the same time',
  });
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
