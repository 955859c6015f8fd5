import type { Flow } from '../src/pipeline/stage-meters.ts';
import { rates } from './query.ts';

/** What a stage stands for; the others keep their names. As src/pipeline/bottleneck.ts has them, but that clocks do not tell the network from the storage. */
const LIMITS: readonly (readonly [limit: string, stages: string])[] = [
  ['hash', 'checksum|checksum-inverse|flat-digest'],
  ['compress', 'lz4'],
  ['decompress', 'lz4-inverse'],
  ['source', 'source|aggregator|chunker'],
  ['target', 'target|consumer'],
  ['pack', 'packer'],
  ['network or storage', 'part-uploader|fetcher'],
];

/**
 * About which part of the time the others wait for each stage of a flow, 0 to 1, by `instance` and `limit`. A stage is blamed for the time in
 * which it works, less that in which it has to wait for those on the storage's side; who stands next to the storage gets the rest.
 */
export function blame(flow: Flow): string {
  const [last, side] = flow === 'backup' ? ['part-uploader', 'downstream'] : ['fetcher', 'upstream'];
  const by = 'instance, stage';
  const others = { flow, stage: `!${last}` };
  const busy = rates('vast_ost_stage_busy_seconds_total', by, others);
  const waits = rates('vast_ost_stage_wait_seconds_total', by, others);
  const held = rates('vast_ost_stage_wait_seconds_total', by, { ...others, side });
  const own = `clamp_min(${busy} - ${held}, 0) / (${busy} + ${waits} > 0)`;
  const active = `${rates('vast_ost_stage_busy_seconds_total', 'instance', { flow })} > 0`;
  const rest = `clamp_min(1 - (sum by (instance) (${own}) or 0 * (${active})), 0) and on (instance) (${active})`;
  return LIMITS.reduce(
    (inner, [limit, stages]) => `label_replace(${inner}, "limit", "${limit}", "stage", "${stages}")`,
    `label_replace((${own}) or label_replace(${rest}, "stage", "${last}", "", ""), "limit", "$1", "stage", "(.+)")`,
  );
}

/** Who holds a flow back, one series for each engine on which something flows. */
export function bottleneck(flow: Flow): string {
  return `topk by (instance) (1, ${blame(flow)})`;
}
