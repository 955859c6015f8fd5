import type { FaultBoard } from '../faults/fault-board.ts';
import type { Effect } from '../faults/plan.ts';
import type { Fault, FaultHook } from '../s3/settings.ts';

/** Puts the faults of a board into S3 requests. */
export function s3FaultHook(faults: FaultBoard): FaultHook {
  return ({ method, operation, bucket, key, address }) => {
    const effects = faults.effectsFor({ where: 's3', method, operation, bucket, path: key, vip: address });
    return effects.reduceRight<Fault | undefined>((then, effect) => faultOf(effect, then), undefined);
  };
}

function faultOf(effect: Effect, then: Fault | undefined): Fault {
  switch (effect.kind) {
    case 'delay':
      return { delayMs: Number(effect.ms), then };
    case 'status':
      return { status: effect.status, code: effect.code };
    case 'truncate':
      return { truncateAfter: effect.bytes };
    default:
      return effect.kind;
  }
}
