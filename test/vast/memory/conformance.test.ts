import t from 'tap';
import { MemoryStorage } from '../../../src/vast/memory/storage.ts';
import { storeConformance } from '../store-conformance.ts';

await storeConformance(t, async () => {
  const state = new Map();
  return {
    storage: new MemoryStorage(state),
    features: {
      reopen: () => new MemoryStorage(state),
      partBytes: 65_536,
      streamPartBytes: 65_536,
      pageSize: 20,
      lockingLsu: async () => {
        const locking = new MemoryStorage(new Map(), { locks: true });
        await locking.createLsu('locking');
        return locking.open('locking');
      },
    },
    cleanup: async () => undefined,
  };
});
