import type { Storage } from '../vast/store.ts';
import type { LsuSpace } from '../vast/vms/facts.ts';
import { UNKNOWN } from './wire/kinds.ts';

/** Bytes of a storage or an LSU, {@link UNKNOWN} where nobody can say. */
export interface Capacity {
  readonly total: bigint;
  readonly used: bigint;
  readonly physicalTotal: bigint;
  readonly physicalUsed: bigint;
}

const NOBODY_KNOWS: Capacity = { total: UNKNOWN, used: UNKNOWN, physicalTotal: UNKNOWN, physicalUsed: UNKNOWN };

/** How full a storage is. A directory answers for its file system; S3 has no such question. */
export async function readCapacity(storage: Pick<Storage, 'space'>): Promise<Capacity> {
  const space = await storage.space?.();
  if (space === undefined) return NOBODY_KNOWS;
  const { total, used } = space;
  return { total, used, physicalTotal: total, physicalUsed: used };
}

/** What the cluster says, where it says it; the rest from elsewhere. */
export function capacityOf(space: LsuSpace, otherwise: Capacity): Capacity {
  if (space.total === undefined || space.used === undefined) return otherwise;
  const known = (bytes: number | undefined): bigint => (bytes === undefined ? UNKNOWN : BigInt(bytes));
  return {
    total: known(space.total),
    used: known(space.used),
    physicalTotal: known(space.physicalTotal),
    physicalUsed: known(space.physicalUsed),
  };
}
