import type { EngineError } from '../../errors.ts';
import type { StageMeters } from '../../pipeline/stage-meters.ts';
import type { ImageRecord } from '../ended-images.ts';
import type { ImageOperation, ImageResult } from '../image-tally.ts';
import type { ImagePlace } from './open-image.ts';
import type { ImageCounters } from './report.ts';

/** An image that was read or written. */
interface Metered {
  readonly place: ImagePlace;
  readonly counters: ImageCounters;
  readonly meters: StageMeters;
}

/** What became of it. */
interface Outcome {
  readonly result: ImageResult;
  readonly error: EngineError | undefined;
  readonly stored: number | undefined;
}

/** What is kept of an image whose handle has ended. */
export function recordOf(
  operation: ImageOperation,
  { place, counters, meters }: Metered,
  outcome: Outcome,
): ImageRecord {
  const ended = Date.now();
  return {
    operation,
    ...outcome,
    server: place.server.id,
    lsu: place.lsu,
    imageId: place.imageId,
    name: place.identity.basename,
    began: ended - (performance.now() - counters.openedAt),
    ended,
    bytes: counters.bytes,
    stages: meters.totals(),
  };
}
