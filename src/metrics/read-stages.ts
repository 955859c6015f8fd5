import type { StagePlaces } from '../vendor-stages/vendor-stages.ts';
import type { Reading } from './registry.ts';

/** What vendors' stages told. */
export function* readStages(stages: Pick<StagePlaces, 'reported'>): Generator<Reading> {
  for (const { stage, counts, values } of stages.reported()) {
    for (const [severity, value] of Object.entries(counts))
      yield { name: 'vast_ost_stage_reports_total', labels: { stage, severity }, value };
    for (const [name, value] of values) yield { name: 'vast_ost_stage_reported', labels: { stage, name }, value };
  }
}
