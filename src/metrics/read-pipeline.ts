import type { ProcessResources } from '../pipeline/resources.ts';
import type { Reading } from './registry.ts';

/** Stages and payload memory. */
export function* readPipeline({ budget, slabs, meters }: ProcessResources): Generator<Reading> {
  for (const { stage, flow, streams, bytesIn, bytesOut, times } of meters.totals()) {
    const labels = { stage, flow };
    yield { name: 'vast_ost_stage_streams', labels, value: streams };
    yield { name: 'vast_ost_stage_bytes_total', labels: { ...labels, direction: 'in' }, value: bytesIn };
    yield { name: 'vast_ost_stage_bytes_total', labels: { ...labels, direction: 'out' }, value: bytesOut };
    yield { name: 'vast_ost_stage_busy_seconds_total', labels, value: times.busy / 1000 };
    for (const side of ['upstream', 'downstream'] as const)
      yield { name: 'vast_ost_stage_wait_seconds_total', labels: { ...labels, side }, value: times[side] / 1000 };
  }
  yield { name: 'vast_ost_checksum_mismatches_total', labels: { place: 'image' }, value: meters.mismatches };
  yield { name: 'vast_ost_checksum_mismatches_total', labels: { place: 'read' }, value: meters.healed };
  yield { name: 'vast_ost_memory_bytes', labels: { state: 'used' }, value: budget.used };
  yield { name: 'vast_ost_memory_bytes', labels: { state: 'idle' }, value: slabs.idleBytes };
  yield { name: 'vast_ost_memory_limit_bytes', value: budget.total };
  yield { name: 'vast_ost_memory_peak_bytes', value: budget.peak };
  yield { name: 'vast_ost_memory_waiting', labels: { for: 'stage' }, value: budget.waiting };
}
