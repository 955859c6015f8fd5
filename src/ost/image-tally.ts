import type { ImageCounters } from './images/report.ts';

/** What is done with images. */
export type ImageOperation = 'write' | 'read' | 'copy' | 'delete';

/**
 * How it ended. `complete`: as it should. `incomplete`: the host keeps the image open for another writer. `abandoned`: the host does not want it.
 * `detached`: the connection broke; the host may come back. `failed`: it did not work.
 */
export type ImageResult = 'complete' | 'incomplete' | 'abandoned' | 'detached' | 'failed';

/** Sums over images that have ended. */
export interface ImageSums {
  /** Logical bytes. */
  bytes: number;
  /** Milliseconds that hosts waited for slots. */
  waitedMs: number;
}

/** What was done with images since the engine began. */
export class ImageTally {
  readonly #ended = new Map<ImageOperation, Map<ImageResult, number>>();
  readonly #sums = new Map<ImageOperation, ImageSums>();
  readonly #succeeded = new Map<ImageOperation, number>();

  /** Work on an image has ended. */
  end(operation: ImageOperation, result: ImageResult, counters?: ImageCounters): void {
    const results = this.#ended.get(operation) ?? new Map<ImageResult, number>();
    this.#ended.set(operation, results.set(result, (results.get(result) ?? 0) + 1));
    if (result === 'complete') this.#succeeded.set(operation, Date.now());
    if (counters === undefined) return;
    const sums = this.sums(operation);
    this.#sums.set(operation, {
      bytes: sums.bytes + counters.bytes,
      waitedMs: sums.waitedMs + counters.waitedMs,
    });
  }

  /** How often work ended in which way. */
  get ended(): ReadonlyMap<ImageOperation, ReadonlyMap<ImageResult, number>> {
    return this.#ended;
  }

  /** When it was last complete, milliseconds since the epoch. */
  get succeeded(): ReadonlyMap<ImageOperation, number> {
    return this.#succeeded;
  }

  sums(operation: ImageOperation): Readonly<ImageSums> {
    return this.#sums.get(operation) ?? { bytes: 0, waitedMs: 0 };
  }
}
