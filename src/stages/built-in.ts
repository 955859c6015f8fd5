import { StageRegistry } from '../pipeline/stage-registry.ts';
import { checksumStage } from './checksum.ts';
import { lz4Stage } from './lz4/lz4-stage.ts';

/** A registry with the stages that every engine has. */
export function builtInStages(): StageRegistry {
  const registry = new StageRegistry();
  registry.register(checksumStage);
  registry.register(lz4Stage);
  return registry;
}
