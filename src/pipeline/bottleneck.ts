import type { StageTimes } from './stage-clock.ts';
import type { Flow } from './stage-meters.ts';

/**
 * Who holds a flow back: `source` (the host has nothing for us, or takes its time), `target` (the host that reads does), a stage by
 * what it does, the way to the storage, or the storage itself. `stage` is one that is known by its name only.
 */
export type Limit = 'source' | 'target' | 'hash' | 'compress' | 'decompress' | 'pack' | 'stage' | 'network' | 'storage';

/** Where the time of all streams of one stage went within a window, milliseconds. */
export interface StageShare {
  readonly stage: string;
  readonly flow: Flow;
  readonly times: Readonly<StageTimes>;
}

/** How requests with payload spent their time within the same window, milliseconds summed over requests. */
export interface TransferTimes {
  /** Their bytes were on the way. */
  readonly moving: number;
  /** The storage was to answer, or nobody there read what came. */
  readonly answering: number;
}

export interface Bottleneck {
  readonly limit: Limit;
  /** The stage that the time was spent in, as metrics name it. */
  readonly stage: string;
  /** About which part of the time the others waited for it, 0 to 1. */
  readonly share: number;
  /** One sentence for people. */
  readonly text: string;
}

/** The stages that may begin or end a chain, in the order of the bytes. Whatever stands between them has no place of its own. */
const BEFORE = ['fetcher', 'source', 'aggregator', 'chunker', 'flat-digest', 'checksum'];
const AFTER = ['checksum-inverse', 'slicer', 'packer', 'part-uploader', 'consumer', 'target'];

const LIMITS: Readonly<Record<string, Limit>> = {
  source: 'source',
  aggregator: 'source',
  chunker: 'source',
  'flat-digest': 'hash',
  checksum: 'hash',
  'checksum-inverse': 'hash',
  lz4: 'compress',
  'lz4-inverse': 'decompress',
  packer: 'pack',
  consumer: 'target',
  target: 'target',
};

const TEXTS: Readonly<Record<Limit, string>> = {
  source: 'the host: it hands over its bytes more slowly than they could be stored',
  target: 'the host: it takes its bytes more slowly than they could be read',
  hash: 'checksums: the processors of this machine',
  compress: 'compression: the processors of this machine, or its memory budget',
  decompress: 'decompression: the processors of this machine, or its memory budget',
  pack: 'the assembly of parts: the main loop of the engine',
  stage: 'a stage of the chain',
  network: 'the network: bytes wait to get through (a storage that takes them in slowly looks the same)',
  storage: 'the storage: it takes its time to answer, or reads nothing of what is sent',
};

/** Stages in the order in which the bytes pass them. */
export function inOrder<T extends { readonly stage: string }>(stages: readonly T[]): T[] {
  return stages.toSorted((a, b) => rankOf(a.stage) - rankOf(b.stage));
}

function rankOf(stage: string): number {
  const before = BEFORE.indexOf(stage);
  if (before >= 0) return before - BEFORE.length;
  return AFTER.indexOf(stage) + 1;
}

/** About which part of the time the others waited for one stage, 0 to 1. */
export interface Blame {
  readonly stage: string;
  readonly share: number;
}

/**
 * Whom the streams of a flow waited for, in the order in which {@link findBottleneck} asks them; the hosts are `source` and `target`. Shares
 * add up to 1 at most.
 *
 * @returns undefined when there is no stream of the flow, or none has spent any time.
 */
export function blamesOf(flow: Flow, stages: readonly StageShare[]): Blame[] | undefined {
  const chain = inOrder(stages.filter((stage) => stage.flow === flow));
  if (flow === 'restore') chain.reverse();
  if (!chain.some(({ times }) => times.busy + times.upstream + times.downstream > 0)) return undefined;
  const [ahead, behind] =
    flow === 'backup' ? (['downstream', 'upstream'] as const) : (['upstream', 'downstream'] as const);
  const blames: Blame[] = [];
  let left = 1;
  const blame = (stage: string, part: number): void => {
    const share = Math.min(left, Math.max(0, part));
    left -= share;
    blames.push({ stage, share });
  };
  for (const [at, { stage, times }] of chain.entries()) {
    const all = times.busy + times.upstream + times.downstream;
    // Who waits for the side that we come from is held back by those who were asked already; only the first one's wait is news.
    if (at === 0 && all > 0) blame(flow === 'backup' ? 'source' : 'target', times[behind] / all);
    if (at === chain.length - 1) blame(stage, 1);
    // Stages work at the same time: who has to wait as well could be as slow as it is and nobody would notice.
    else if (all > 0) blame(stage, (times.busy - times[ahead]) / all);
  }
  return blames;
}

/**
 * What holds a flow back: whoever the others wait for. A backup is followed from its source downwards: the time in which a stage works, less
 * that in which it waits for those below, is its own fault; for the rest they are asked. A restore is followed from its target
 * upwards in the same way. At the end stands the store, whose time is either the way's or the storage's. A stage that has nothing to
 * do while the source waits does not stop the search: then the slots are all held further down.
 *
 * @returns undefined when there is no stream of the flow, or none has spent any time.
 */
export function findBottleneck(
  flow: Flow,
  stages: readonly StageShare[],
  transfers: TransferTimes,
): Bottleneck | undefined {
  const blames = blamesOf(flow, stages);
  if (blames === undefined) return undefined;
  let worst: Blame = { stage: '', share: 0 };
  for (const blame of blames) if (blame.share > worst.share) worst = blame;
  const limit = limitOf(worst.stage, transfers);
  const text = limit === 'stage' ? `the stage ${worst.stage}` : TEXTS[limit];
  return { limit, ...worst, text };
}

function limitOf(stage: string, { moving, answering }: TransferTimes): Limit {
  if (stage !== 'part-uploader' && stage !== 'fetcher') return LIMITS[stage] ?? 'stage';
  return moving > answering ? 'network' : 'storage';
}
