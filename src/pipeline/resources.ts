import type { Bridge } from '../bridge/bridge.ts';
import { ByteBudget } from './byte-budget.ts';
import { SlabPool } from './slab-pool.ts';
import { StageMeters } from './stage-meters.ts';
import type { StageRegistry } from './stage-registry.ts';

/** What all images of a process share. */
export interface Resources {
  readonly bridge: Bridge;
  readonly budget: ByteBudget;
  readonly slabs: SlabPool;
  readonly stages: StageRegistry;
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

/**
 * @param memoryBudget bound on payload memory, bytes.
 * @param stages the stages that images may be written with or were written with.
 */
export function createResources(bridge: Bridge, memoryBudget: number, stages: StageRegistry): Resources {
  const budget = new ByteBudget(memoryBudget);
  const meters = new StageMeters();
  return { bridge, budget, slabs: new SlabPool(bridge, budget), stages, meters, flow: meters };
}
