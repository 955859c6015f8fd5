import type { OstEngine } from '../ost/engine.ts';
import type { ImageCounters } from '../ost/images/report.ts';
import type { StorageFigures } from '../ost/storage-figures.ts';
import type { StorageServer } from '../ost/storage-server.ts';
import type { TransferTimes } from '../pipeline/bottleneck.ts';
import type { StageTotals } from '../pipeline/stage-meters.ts';
import type { Direction } from '../vast/flow/flow-control.ts';

/** The sums of an engine at one moment. Two of them give rates. */
export interface Sample {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly stages: ReadonlyMap<string, StageTotals>;
  readonly transfers: Readonly<Record<Direction, TransferTimes>>;
  /** Logical bytes of all images, those that have ended included. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Of each open image, by its counters: an image itself would keep its host's memory. */
  readonly images: ReadonlyMap<ImageCounters, number>;
}

/** Take a sample: numbers that are kept anyway. */
export function takeSample({ services }: OstEngine, at: number): Sample {
  const { writers, readers, counters, resources, servers } = services;
  const images = new Map<ImageCounters, number>();
  const bytes = { write: counters.images.sums('write').bytes, read: counters.images.sums('read').bytes };
  for (const image of writers.values()) {
    images.set(image.counters, image.counters.bytes);
    bytes.write += image.counters.bytes;
  }
  for (const image of readers) {
    images.set(image.counters, image.counters.bytes);
    bytes.read += image.counters.bytes;
  }
  const stages = new Map(resources.meters.totals().map((totals) => [keyOf(totals), totals]));
  const figures = figuresOfAll(servers.all());
  const transfers = { write: sumOf(figures, 'write'), read: sumOf(figures, 'read') };
  return { at, stages, transfers, bytes, images };
}

/** What identifies a stage among the totals. */
export function keyOf({ flow, stage }: Pick<StageTotals, 'flow' | 'stage'>): string {
  return `${flow} ${stage}`;
}

/** How all storages are doing. */
export function figuresOfAll(servers: readonly Pick<StorageServer, 'figures'>[]): StorageFigures[] {
  return servers.flatMap((server) => server.figures());
}

function sumOf(figures: readonly StorageFigures[], direction: Direction): TransferTimes {
  const sum = { moving: 0, answering: 0 };
  for (const { transfers } of figures) {
    sum.moving += transfers?.[direction].moving ?? 0;
    sum.answering += transfers?.[direction].answering ?? 0;
  }
  return sum;
}
