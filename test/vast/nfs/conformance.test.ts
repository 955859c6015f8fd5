import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { storeConformance } from '../store-conformance.ts';

/** VOST_TEST_DIR names a directory on another filesystem, such as an NFS mount. */
const parent = process.env['VOST_TEST_DIR'];

await storeConformance(t, async (t) => {
  const root = parent === undefined ? t.testdir({}) : await mkdtemp(join(parent, 'vost-conformance-'));
  return {
    storage: new FileStorage(root),
    features: {
      reopen: () => new FileStorage(root),
      partBytes: 300_000,
      streamPartBytes: 300_000,
      pageSize: 100,
    },
    cleanup: async () => undefined,
  };
});
