import type { Flow } from '../src/pipeline/stage-meters.ts';
import { rates } from './query.ts';

/** What a stage stands for; the others keep their names. As src/pipeline/bottleneck.ts has them. */
const LIMITS: readonly (readonly [limit: string, stages: string])[] = [
  ['hash', 'checksum|checksum-inverse|flat-digest'],
  ['compress', 'lz4'],
  ['decompress', 'lz4-inverse'],
  ['source', 'source|aggregator|chunker'],
  ['target', 'target|consumer'],
  ['pack', 'packer'],
];

/** The stage next to the storage, the side on which the others wait for it, and what its requests are. */
const ENDS = {
  backup: { last: 'part-uploader', side: 'downstream', direction: 'write' },
  restore: { last: 'fetcher', side: 'upstream', direction: 'read' },
} as const;

function labelled(expr: string, label: string, value: string): string {
  return `label_replace(${expr}, "${label}", "${value}", "", "")`;
}

/**
 * About which part of the time the others wait for each stage of a flow, 0 to 1, by `instance`, `limit` and `stage`. A stage is blamed for the
 * time in which it works, less that in which it has to wait for those on the storage's side; the rest is the network's where requests spend
 * more time with bytes on the way than waiting for an answer, else the storage's.
 */
export function blame(flow: Flow): string {
  const { last, side, direction } = ENDS[flow];
  const by = 'instance, stage';
  const others = { flow, stage: `!${last}` };
  const busy = rates('vast_ost_stage_busy_seconds_total', by, others);
  const waits = rates('vast_ost_stage_wait_seconds_total', by, others);
  const held = rates('vast_ost_stage_wait_seconds_total', by, { ...others, side });
  const own = `clamp_min(${busy} - ${held}, 0) / (${busy} + ${waits} > 0)`;
  const active = `${rates('vast_ost_stage_busy_seconds_total', 'instance', { flow })} > 0`;
  const rest = `clamp_min(1 - (sum by (instance) (${own}) or 0 * (${active})), 0) and on (instance) (${active})`;
  const [moving, answering] = (['moving', 'answering'] as const).map((phase) =>
    rates('vast_ost_transfer_seconds_total', 'instance', { direction, phase }),
  );
  const onTheWay = `on (instance) (${moving} > ${answering})`;
  const stages = LIMITS.reduce(
    (inner, [limit, names]) => `label_replace(${inner}, "limit", "${limit}", "stage", "${names}")`,
    `label_replace(${own}, "limit", "$1", "stage", "(.+)")`,
  );
  const end = labelled(rest, 'stage', last);
  const network = labelled(`(${end}) and ${onTheWay}`, 'limit', 'network');
  const storage = labelled(`(${end}) unless ${onTheWay}`, 'limit', 'storage');
  return `${stages} or ${network} or ${storage}`;
}

/** Who holds a flow back, one series for each engine on which something flows. */
export function bottleneck(flow: Flow): string {
  return `topk by (instance) (1, ${blame(flow)})`;
}
