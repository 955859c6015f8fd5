import type { Manifest } from '../image/manifest.ts';
import { openReadHandle } from '../image/read-handle.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';

const MIB = 1024 * 1024;

export interface RestoreCheckOptions {
  readonly store: ObjectStore;
  readonly resources: Resources;
  readonly manifest: Manifest;
  readonly signal: AbortSignal;
  /** Called with the logical bytes read so far. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * Read an image from its beginning to its end through the handle that a host's restore uses, and drop the bytes. Throws what a
 * restore would throw. Takes the memory of one chunk.
 */
export async function readAsRestore(options: RestoreCheckOptions): Promise<void> {
  const { store, resources, manifest, signal, onProgress } = options;
  const context = { store, resources, journal: undefined, creator: 'restore-check', signal };
  const handle = await openReadHandle(context, manifest.identity);
  const scope = new LeaseScope();
  try {
    const { bytes } = await resources.slabs.acquire(Math.max(MIB, manifest.chunk_size), scope, signal);
    for (let at = 0; ; ) {
      const { start, length, eof } = await handle.read(at, bytes.byteLength, bytes, true, signal);
      at = start + length;
      onProgress(at);
      if (eof) return;
    }
  } finally {
    await handle.close();
    scope.releaseAll();
  }
}
