import type { Bridge } from '../bridge/bridge.ts';
import { type Budget, ByteBudget } from './byte-budget.ts';
import { IdleCache } from './idle-cache.ts';
import { SlabPool } from './slab-pool.ts';
import { StageMeters } from './stage-meters.ts';
import type { StageRegistry } from './stage-registry.ts';

/** What all images of a process, or of one of its lanes, share. */
export interface Resources {
  readonly bridge: Bridge;
  readonly budget: Budget;
  readonly slabs: SlabPool;
  readonly stages: StageRegistry;
  /** Indexes of images that are read. */
  readonly indexes: IdleCache;
  readonly meters: StageMeters;
  /** Those of all images in the same storage. */
  readonly flow: StageMeters;
}

/** The same, with the share of the memory that is this storage's. */
export function resourcesFor(resources: Resources, storage: string): Resources {
  const budget = resources.budget.share(storage);
  const flow = new StageMeters(resources.meters, storage);
  return { ...resources, budget, slabs: resources.slabs.under(budget), meters: flow, flow };
}

/** Those of a process: the budget itself. */
export interface ProcessResources extends Resources {
  readonly budget: ByteBudget;
}

/**
 * @param memoryBudget bound on payload memory, bytes.
 * @param stages the stages that images may be written with or were written with.
 */
export function createResources(bridge: Bridge, memoryBudget: number, stages: StageRegistry): ProcessResources {
  const budget = new ByteBudget(memoryBudget);
  return { ...resourcesUnder(bridge, budget, stages), budget };
}

/** As {@link createResources}, under a budget that others share. */
export function resourcesUnder(bridge: Bridge, budget: Budget, stages: StageRegistry): Resources {
  const meters = new StageMeters();
  const slabs = new SlabPool(bridge, budget);
  return { bridge, budget, slabs, stages, indexes: new IdleCache(budget), meters, flow: meters };
}
