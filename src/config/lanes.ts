import { availableParallelism } from 'node:os';

/** Most lanes: more event loops than this help no machine. */
export const MOST_LANES = 64;

/** How many lanes a setting means: with `auto` one for every two processors, as digests, the kernel and the hosts need the others. */
export function lanesOf(setting: number | 'auto', processors: number = availableParallelism()): number {
  return setting === 'auto' ? Math.min(MOST_LANES, Math.max(1, Math.floor(processors / 2))) : setting;
}
