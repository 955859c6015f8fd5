import type { ProcessResources, Resources } from '../pipeline/resources.ts';
import { OUTCOMES, type StageTotals } from '../pipeline/stage-meters.ts';
import type { Reading } from './registry.ts';

/** What stands at the ends of the chains that hosts have, beside the stages of the registry. */
const ENDS = { backup: ['source', 'packer', 'part-uploader'], restore: ['fetcher', 'target'] } as const;
const NOTHING = { streams: 0, bytesIn: 0, bytesOut: 0, times: { busy: 0, upstream: 0, downstream: 0 } };

/** All stages, also those that nothing has passed yet: a counter that appears with its first value has no increase. */
function totalsOf({ meters, stages }: Resources): StageTotals[] {
  const totals = meters.totals();
  const { names } = stages;
  const known = { backup: names, restore: names.map((name) => `${name}-inverse`) };
  for (const flow of ['backup', 'restore'] as const)
    for (const stage of [...ENDS[flow], ...known[flow]])
      if (!totals.some((one) => one.stage === stage && one.flow === flow)) totals.push({ ...NOTHING, stage, flow });
  return totals;
}

/** Stages and payload memory. */
export function* readPipeline(resources: ProcessResources): Generator<Reading> {
  const { budget, meters } = resources;
  for (const { stage, flow, streams, bytesIn, bytesOut, times } of totalsOf(resources)) {
    const labels = { stage, flow };
    yield { name: 'vast_ost_stage_streams', labels, value: streams };
    yield { name: 'vast_ost_stage_bytes_total', labels: { ...labels, direction: 'in' }, value: bytesIn };
    yield { name: 'vast_ost_stage_bytes_total', labels: { ...labels, direction: 'out' }, value: bytesOut };
    yield { name: 'vast_ost_stage_busy_seconds_total', labels, value: times.busy / 1000 };
    for (const side of ['upstream', 'downstream'] as const)
      yield { name: 'vast_ost_stage_wait_seconds_total', labels: { ...labels, side }, value: times[side] / 1000 };
  }
  for (const outcome of OUTCOMES)
    yield { name: 'vast_ost_compression_chunks_total', labels: { outcome }, value: meters.outcomes[outcome] };
  yield { name: 'vast_ost_checksum_mismatches_total', labels: { place: 'image' }, value: meters.mismatches };
  yield { name: 'vast_ost_checksum_mismatches_total', labels: { place: 'read' }, value: meters.healed };
  yield { name: 'vast_ost_memory_bytes', labels: { state: 'used' }, value: budget.used };
  yield { name: 'vast_ost_memory_bytes', labels: { state: 'idle' }, value: budget.idle };
  yield { name: 'vast_ost_memory_limit_bytes', value: budget.total };
  yield { name: 'vast_ost_memory_peak_bytes', value: budget.peak };
  yield { name: 'vast_ost_memory_waiting', labels: { for: 'stage' }, value: budget.waiting };
}
