import { failureOf } from '../../errors.ts';
import type { RequestOptions } from '../store.ts';
import type { VmsClient } from './client.ts';
import type { ClusterRow, QuotaRow, ViewRow } from './rows.ts';

/** What a cluster says about all its LSUs at one moment. A part that the user may not see is absent. */
export interface ClusterFacts {
  readonly views: readonly ViewRow[];
  readonly quotas: readonly QuotaRow[];
  readonly cluster: ClusterRow | undefined;
}

/** Requests that {@link readFacts} takes, with up to 500 views and 500 quotas; one more for every further 500. */
export const FACT_CALLS = 3;

/**
 * Ask the cluster, one request after the other: it is slow, and has others to serve.
 * @throws EngineError of the first request that failed for another reason than a missing right
 */
export async function readFacts(client: VmsClient, options: RequestOptions = {}): Promise<ClusterFacts> {
  return {
    quotas: (await allowed(client.quotas.list(options))) ?? [],
    views: (await allowed(client.views.list(options))) ?? [],
    cluster: await allowed(client.cluster(options)),
  };
}

async function allowed<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (['access', 'not-found'].includes(failureOf(error))) return undefined;
    throw error;
  }
}

/** Bytes of an LSU; undefined where the cluster does not say. */
export interface LsuSpace {
  readonly total: number | undefined;
  readonly used: number | undefined;
  readonly physicalTotal: number | undefined;
  readonly physicalUsed: number | undefined;
  /** Part of the total at which the cluster raises an alarm, per cent; undefined without a soft limit. */
  readonly alarmPercent: number | undefined;
}

/** Where an LSU lies: a bucket, or a path. */
export type LsuPlace = { readonly bucket: string } | { readonly path: string };

/**
 * How full an LSU is: by the quota on its directory, which lags a little and counts blocks of 32 KiB, else by the cluster. What is
 * free is never more than what the cluster has left: quotas may promise more than there is.
 */
export function spaceOf(facts: ClusterFacts, place: LsuPlace): LsuSpace {
  const { cluster } = facts;
  const path = 'path' in place ? place.path : facts.views.find(({ bucket }) => bucket === place.bucket)?.path;
  const quota = path === undefined ? undefined : facts.quotas.find((row) => row.path === path);
  const physical = {
    physicalTotal: bytesOf(cluster?.physical_space),
    physicalUsed: bytesOf(cluster?.physical_space_in_use),
  };
  const whole = { total: bytesOf(cluster?.logical_space), used: bytesOf(cluster?.logical_space_in_use) };
  const used = bytesOf(quota?.used_effective_capacity) ?? bytesOf(quota?.used_capacity);
  if (quota === undefined || used === undefined) return { ...whole, ...physical, alarmPercent: undefined };
  const free = bytesOf(cluster?.free_logical_space) ?? difference(whole.total, whole.used);
  const limits = [positive(quota.hard_limit), free === undefined ? undefined : used + free].filter(
    (one) => one !== undefined,
  );
  const total = limits.length === 0 ? undefined : Math.max(used, Math.min(...limits));
  const soft = positive(quota.soft_limit);
  const alarmPercent = soft === undefined || !total ? undefined : Math.min(100, Math.round((100 * soft) / total));
  return { total, used, ...physical, alarmPercent };
}

function bytesOf(value: number | null | undefined): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** A limit of 0 is none. */
function positive(value: number | null | undefined): number | undefined {
  return bytesOf(value) || undefined;
}

function difference(total: number | undefined, used: number | undefined): number | undefined {
  return total === undefined || used === undefined ? undefined : Math.max(0, total - used);
}
