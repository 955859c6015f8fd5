import { availableParallelism } from 'node:os';

/** Most lanes that can be asked for: more event loops than this help no machine. */
export const MOST_LANES = 64;
/** With fewer processors a second event loop has nothing to run on, and one lane does no more than the main thread did, for more. */
const LEAST_PROCESSORS = 4;
/** So many lanes fill a network card of 100 Gbit/s with TLS; each of them costs some 40 MiB. */
const MOST_AUTO = 16;

/** How many lanes there are, and why, for people. */
export interface LanePlan {
  /** 0: images are worked on in the main thread. */
  readonly count: number;
  readonly why: string;
}

/**
 * What a setting of lanes means. With `auto` they are one for every two processors, from four on and at most 16: a lane with TLS keeps a processor busy
 * while what belongs to it, digests, kernel and host, keeps half of another one busy (docs/performance.md).
 */
export function planLanes(setting: number | 'auto', processors: number = availableParallelism()): LanePlan {
  if (setting !== 'auto') return { count: setting, why: 'as [engine] lanes says' };
  if (processors < LEAST_PROCESSORS)
    return { count: 0, why: `with ${processors} processors more event loops bring nothing` };
  const count = Math.min(MOST_AUTO, Math.floor(processors / 2));
  const why = count === MOST_AUTO ? 'more are seldom worth their memory' : 'one for every two processors';
  return { count, why: `${processors} processors: ${why}` };
}
