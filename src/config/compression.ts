import type { ConfiguredStage, StageRegistry } from '../pipeline/stage-registry.ts';

/** `auto`: LZ4 for as many chunks as make a backup faster. */
export const COMPRESSIONS = ['none', 'lz4', 'auto'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** The stages that a setting stands for. */
export function compressionStages(compression: Compression, stages: StageRegistry): ConfiguredStage[] {
  if (compression === 'none') return [];
  return [stages.configure('lz4', compression === 'auto' ? { auto: true } : {})];
}
