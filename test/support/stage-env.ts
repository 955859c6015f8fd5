import type { StageEnv, StageMemory } from '../../src/pipeline/stage.ts';

export const testImage = { lsu: 'lsu', name: 'image', date: '1', policy: 'p', schedule: 's', client: 'c' };

/** What the first stage of some image works with. */
export const stageEnv = (memory: StageMemory): StageEnv => ({
  ...memory,
  image: testImage,
  before: (length) => length,
});
