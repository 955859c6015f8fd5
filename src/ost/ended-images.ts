import type { EngineError } from '../errors.ts';
import type { StageTotals } from '../pipeline/stage-meters.ts';
import type { ImageOperation, ImageResult } from './image-tally.ts';

/** Images kept; older ones are forgotten. */
const KEPT = 200;

/** Work on an image that has ended. */
export interface ImageRecord {
  readonly operation: ImageOperation;
  readonly result: ImageResult;
  /** Name of the `[server NAME]` section, and the LSU. */
  readonly server: string;
  readonly lsu: string;
  readonly imageId: string;
  /** As NetBackup calls it. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly began: number;
  readonly ended: number;
  /** Logical bytes that the host handed over or was served, or that were copied. */
  readonly bytes: number;
  /** Encoded bytes in storage, of images that were written. */
  readonly stored: number | undefined;
  /** Where its time went. */
  readonly stages: readonly StageTotals[];
  readonly error: EngineError | undefined;
}

/** The images on which work has ended, the last ones of this life of the engine. */
export class EndedImages {
  readonly #records: ImageRecord[] = [];

  add(record: ImageRecord): void {
    this.#records.push(record);
    if (this.#records.length > KEPT) this.#records.shift();
  }

  /** Newest first. */
  all(): readonly ImageRecord[] {
    return this.#records.toReversed();
  }
}
