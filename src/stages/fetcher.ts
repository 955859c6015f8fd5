import type { Chunk } from '../pipeline/chunk.ts';
import type { LeaseScope } from '../pipeline/lease.ts';
import { OrderedTransform } from '../pipeline/ordered-transform.ts';
import type { SlabPool } from '../pipeline/slab-pool.ts';
import { StageClock } from '../pipeline/stage-clock.ts';
import type { StoredChunk } from './packer.ts';

export interface FetcherOptions {
  readonly pool: SlabPool;
  readonly scope: LeaseScope;
  /** Fetches in flight at the same time: the read-ahead. */
  readonly concurrency: number | (() => number);
  /** Fill `into` from the fragment's bytes at `offset`. */
  readonly read: (fragment: number, offset: number, into: Uint8Array, signal: AbortSignal) => Promise<void>;
}

/** Reads the stored bytes of chunks, several at once, and passes them on in order. The first stage of a restore. */
export function createFetcher(options: FetcherOptions): OrderedTransform<StoredChunk, Chunk> {
  const clock = new StageClock();
  return new OrderedTransform<StoredChunk, Chunk>({
    name: 'fetcher',
    concurrency: options.concurrency,
    clock,
    transform: async ({ index, offset, length, fragment, storedOffset, storedLength, leaves }, signal) => {
      const { bytes, lease } = await clock.room(options.pool.acquire(storedLength, options.scope, signal));
      await options.read(fragment, storedOffset, bytes, signal);
      clock.bytesIn += storedLength;
      clock.bytesOut += storedLength;
      return { index, offset, length, leaves, pieces: [bytes], lease };
    },
  });
}
