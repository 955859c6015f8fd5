import { StageRegistry } from '../pipeline/stage-registry.ts';
import { checksumStage } from './checksum.ts';
import { createLz4Stage } from './lz4/lz4-stage.ts';
import type { Lz4Decision } from './lz4/pilot.ts';

/**
 * A registry with the stages that every engine has.
 *
 * @param onCompression hears when another share of the chunks is compressed.
 */
export function builtInStages(onCompression?: (decision: Lz4Decision) => void): StageRegistry {
  const registry = new StageRegistry();
  registry.register(checksumStage);
  registry.register(createLz4Stage(onCompression));
  return registry;
}
