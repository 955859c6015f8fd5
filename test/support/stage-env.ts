import { bridge } from '../../src/bridge/bridge.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { SlabPool } from '../../src/pipeline/slab-pool.ts';
import type { StageEnv, StageMemory } from '../../src/pipeline/stage.ts';

export const testImage = { lsu: 'lsu', name: 'image', date: '1', policy: 'p', schedule: 's', client: 'c' };

/** What the first stage of some image works with. */
export const stageEnv = (memory: StageMemory): StageEnv => ({
  ...memory,
  slabs: new SlabPool(bridge, new ByteBudget(1)),
  image: testImage,
  before: (length) => length,
});
