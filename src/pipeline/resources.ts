import type { ImageBridge } from '../bridge/bridge.ts';
import { ByteBudget } from './byte-budget.ts';
import { SlabPool } from './slab-pool.ts';
import type { StageRegistry } from './stage-registry.ts';

/** What all images of a process share. */
export interface Resources {
  readonly bridge: ImageBridge;
  readonly budget: ByteBudget;
  readonly slabs: SlabPool;
  readonly stages: StageRegistry;
}

/**
 * @param memoryBudget bound on payload memory, bytes.
 * @param stages the stages that images may be written with or were written with.
 */
export function createResources(bridge: ImageBridge, memoryBudget: number, stages: StageRegistry): Resources {
  const budget = new ByteBudget(memoryBudget);
  return { bridge, budget, slabs: new SlabPool(bridge, budget), stages };
}
