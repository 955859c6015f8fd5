import type { ImageRecord } from '../ost/ended-images.ts';
import type { ReadImage } from '../ost/images/read-image.ts';
import { WriteImage } from '../ost/images/write-image.ts';
import type { Services } from '../ost/services.ts';
import { findBottleneck, inOrder } from '../pipeline/bottleneck.ts';
import type { StageTotals } from '../pipeline/stage-meters.ts';
import { problemOf } from './http.ts';
import type { Sample } from './sample.ts';
import type { EndedImage, Images, RunningImage } from './schemas.ts';

type OpenImage = WriteImage | ReadImage;

/** The open images, those first that are open longest. */
export function openImages({ writers, readers }: Services): OpenImage[] {
  return [...writers.values(), ...readers].sort((a, b) => a.counters.openedAt - b.counters.openedAt);
}

/** What of the images is wanted. */
export interface ImagesQuery {
  readonly offset: number;
  readonly limit: number;
}

export function readImages(services: Services, before: Sample, now: Sample, { offset, limit }: ImagesQuery): Images {
  return {
    running: openImages(services)
      .slice(offset, offset + limit)
      .map((image) => readRunning(image, before, now)),
    ended: services.ended
      .all()
      .slice(offset, offset + limit)
      .map(readEnded),
  };
}

/** An open image, with its rate between two samples. */
export function readRunning(image: OpenImage, before: Sample, now: Sample): RunningImage {
  const { place, counters, meters } = image;
  const writes = image instanceof WriteImage;
  const totals = meters.totals();
  // Whose part of the storage's time is this image's, nobody knows: that of all stands for it.
  const transfers = now.transfers[writes ? 'write' : 'read'];
  const openMs = performance.now() - counters.openedAt;
  return {
    operation: writes ? 'write' : 'read',
    server: place.server.id,
    lsu: place.lsu,
    image_id: place.imageId,
    name: place.identity.basename,
    began: timeOf(Date.now() - openMs),
    bytes: counters.bytes,
    size: writes ? null : image.size,
    stored: writes ? image.stored : null,
    bytes_per_second: rateOf(image, before, now),
    parts_in_flight: writes ? image.partsInFlight : null,
    host_waited_seconds: counters.waitedMs / 1000,
    bottleneck: findBottleneck(writes ? 'backup' : 'restore', totals, transfers) ?? null,
    stages: stageTimes(totals),
  };
}

function rateOf(image: OpenImage, before: Sample, now: Sample): number {
  const seconds = (now.at - before.at) / 1000;
  const bytes = (now.images.get(image.counters) ?? 0) - (before.images.get(image.counters) ?? 0);
  return seconds > 0 ? Math.max(0, bytes / seconds) : 0;
}

function readEnded(record: ImageRecord): EndedImage {
  const { operation, server, lsu, imageId, name, began, ended, result, bytes, stored, stages, error } = record;
  return {
    operation,
    server,
    lsu,
    image_id: imageId,
    name,
    began: timeOf(began),
    ended: timeOf(ended),
    result,
    bytes,
    stored: stored ?? null,
    stages: stageTimes(stages),
    error: error === undefined ? null : problemOf(error),
  };
}

function stageTimes(totals: readonly StageTotals[]): RunningImage['stages'] {
  return inOrder(totals).map(({ stage, times }) => ({
    stage,
    busy_seconds: times.busy / 1000,
    waits_upstream_seconds: times.upstream / 1000,
    waits_downstream_seconds: times.downstream / 1000,
  }));
}

/** Milliseconds since the epoch as the API writes them. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
