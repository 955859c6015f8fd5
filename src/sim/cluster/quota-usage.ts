import type { FaultBoard } from '../faults/fault-board.ts';
import type { ClusterState } from './cluster-state.ts';
import { type FileSystem, isBelow } from './file-system.ts';
import { parseGrace } from './grace.ts';
import type { Quota } from './records.ts';

/** What quotas are judged with. */
export interface QuotaServices {
  readonly state: ClusterState;
  readonly files: FileSystem;
  readonly faults: FaultBoard;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** How much of a quota is used, and VMS's word for it. */
export interface QuotaUsage {
  readonly bytes: number;
  /** What the limits are compared with, bytes. */
  readonly effective: number;
  readonly inodes: number;
  readonly state: string;
}

/** The use of a quota now. Notes in the state since when the soft limit is exceeded. */
export function quotaUsage(services: QuotaServices, quota: Quota): QuotaUsage {
  const { bytes, blockBytes, inodes } = services.files.usage(quota.tenant_id, quota.path);
  const full = services.faults.modes.fullPaths.includes(quota.path);
  const effective = full ? Math.max(blockBytes, quota.hard_limit ?? 0) : blockBytes;
  const soft = exceeds(effective, quota.soft_limit);
  const softInodes = exceeds(inodes, quota.soft_limit_inodes);
  const since = noteSoft(services, quota, soft || softInodes);
  const hard = quota.hard_limit ? effective >= quota.hard_limit : full;
  const hardInodes = quota.hard_limit_inodes ? inodes >= quota.hard_limit_inodes : false;
  return {
    bytes,
    effective,
    inodes,
    state: stateOf({ soft, softInodes, hard, hardInodes, expired: isExpired(services, quota, since) }),
  };
}

/**
 * The quota that a write of so many bytes and new objects at a path would go beyond; undefined when
 * there is room. Quotas above the path count as well.
 */
export function exceededQuota(
  services: QuotaServices,
  place: { readonly tenantId: number; readonly path: string },
  bytes: number,
  inodes: number,
): Quota | undefined {
  return services.state.quotas.find((quota) => {
    if (quota.tenant_id !== place.tenantId || !isBelow(place.path, quota.path)) return false;
    if (services.faults.modes.fullPaths.includes(quota.path)) return true;
    const used = quotaUsage(services, quota);
    return (
      used.state === 'GRACE_EXPIRED' ||
      exceeds(used.effective + bytes, quota.hard_limit) ||
      exceeds(used.inodes + inodes, quota.hard_limit_inodes)
    );
  });
}

/** A limit of 0 or null is none. */
function exceeds(used: number, limit: number | null): boolean {
  return limit ? used > limit : false;
}

function noteSoft({ state, clock }: QuotaServices, quota: Quota, exceeded: boolean): string | undefined {
  if (exceeded === (quota.soft_exceeded_at !== undefined)) return quota.soft_exceeded_at;
  const since = exceeded ? new Date(clock()).toISOString() : undefined;
  state.quotas.replace({ ...quota, soft_exceeded_at: since });
  return since;
}

function isExpired({ clock }: QuotaServices, { grace_period: grace }: Quota, since: string | undefined): boolean {
  const period = grace === null ? undefined : parseGrace(grace);
  return since !== undefined && period !== undefined && clock() > Date.parse(since) + period;
}

interface Excess {
  readonly soft: boolean;
  readonly softInodes: boolean;
  readonly hard: boolean;
  readonly hardInodes: boolean;
  readonly expired: boolean;
}

function stateOf({ soft, softInodes, hard, hardInodes, expired }: Excess): string {
  if (hard || hardInodes)
    return hard && hardInodes ? 'HARD_BOTH_EXCEEDED' : hard ? 'HARD_EXCEEDED' : 'INODE_HARD_EXCEEDED';
  if (expired) return 'GRACE_EXPIRED';
  if (soft || softInodes)
    return soft && softInodes ? 'SOFT_BOTH_EXCEEDED' : soft ? 'SOFT_EXCEEDED' : 'INODE_SOFT_EXCEEDED';
  return 'OK';
}
