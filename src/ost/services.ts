import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import type { ProcessResources } from '../pipeline/resources.ts';
import type { StagePlaces } from '../vendor-stages/vendor-stages.ts';
import type { ImageBackend } from './backend.ts';
import type { Counters } from './counters.ts';
import type { Machine } from './creator.ts';
import type { Deletions } from './deletions.ts';
import type { DrainGate } from './drain-gate.ts';
import type { EndedImages } from './ended-images.ts';
import type { ImageUsage } from './image-usage.ts';
import type { ReadImage } from './images/read-image.ts';
import type { WriteImage } from './images/write-image.ts';
import type { Limiters } from './limiter.ts';
import type { Problems } from './problems.ts';
import type { ServerRegistry } from './server-registry.ts';
import type { StorageMemory } from './storage-memory.ts';
import type { WriterLeases } from './writer-leases.ts';

/** What all sessions of an engine share. */
export interface Services {
  readonly settings: Settings;
  readonly servers: ServerRegistry;
  readonly backend: ImageBackend;
  readonly resources: ProcessResources;
  readonly stages: StagePlaces;
  readonly memory: StorageMemory;
  /** Bytes that all always-granted slots together should stay below. */
  readonly slotReserve: number;
  readonly usage: ImageUsage;
  readonly deletions: Deletions;
  /** Images being written, by place: their size moves. */
  readonly writers: Map<string, WriteImage>;
  /** Images being read. */
  readonly readers: Set<ReadImage>;
  /** Listings at the same time, by storage. */
  readonly listings: Limiters;
  /** Image copies at the same time, by the storages that they go from and to. */
  readonly copying: Limiters;
  readonly drain: DrainGate;
  readonly counters: Counters;
  readonly ended: EndedImages;
  readonly problems: Problems;
  readonly machine: Machine;
  readonly leases: WriterLeases;
  /** 16 random bytes in hexadecimal: this life of the engine. */
  readonly instance: string;
  readonly log: Logger;
}
