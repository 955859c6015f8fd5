import type { Resources } from '../pipeline/resources.ts';
import type { ConfiguredStage } from '../pipeline/stage-registry.ts';
import type { ImageInfo } from '../stage-api/index.ts';

/** All stages of a new image, the checksum first, with what they record of it. */
export async function prepareStages(
  resources: Resources,
  chosen: readonly ConfiguredStage[],
  image: ImageInfo,
  signal: AbortSignal | undefined,
): Promise<ConfiguredStage[]> {
  const stages = [resources.stages.configure('checksum', {})];
  for (const stage of chosen) stages.push((await stage.prepare?.(image, signal)) ?? stage);
  return stages;
}
