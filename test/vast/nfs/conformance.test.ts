import t from 'tap';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { storeConformance } from '../store-conformance.ts';

await storeConformance(t, async (t) => {
  const root = t.testdir({});
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
