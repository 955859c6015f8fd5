import type { Direction } from '../vast/flow/flow-control.ts';
import { type GateFigures, mergeGates } from '../vast/flow/gate-figures.ts';
import { mergeSizes, type SizeFigures } from '../vast/flow/stepped-size.ts';
import type { CallStatus } from '../vast/nfs/call-gate.ts';
import type { Storage } from '../vast/store.ts';
import type { PhaseTimes } from '../vast/transfer-meter.ts';
import type { VipSnapshot } from '../vast/vip-pool/vip.ts';
import type { VipPoolSnapshot } from '../vast/vip-pool/vip-pool.ts';

/** How a storage is doing, as one thread sees it or all of them together. Plain values. */
export interface StorageFigures {
  /** As {@link Storage.name}. */
  readonly name: string;
  readonly gates: Readonly<Partial<Record<Direction, GateFigures>>>;
  /** Those that nobody gave. */
  readonly sizes: readonly SizeFigures[];
  readonly transfers: Readonly<Record<Direction, PhaseTimes>> | undefined;
  readonly vips?: VipPoolSnapshot | undefined;
  readonly calls?: CallStatus | undefined;
}

const DIRECTIONS = ['write', 'read'] as const;

/** Those of a storage of this thread. */
export function figuresOf(storage: Storage): StorageFigures {
  const { name, flow, transfers } = storage;
  const gates: Partial<Record<Direction, GateFigures>> = {};
  for (const direction of DIRECTIONS) {
    const gate = flow?.[direction];
    if (gate === undefined) continue;
    gates[direction] = gate.figures();
  }
  return {
    name,
    gates,
    sizes: flow?.sizes().map((size) => size.figures()) ?? [],
    transfers: transfers && { write: transfers.read('write'), read: transfers.read('read') },
    vips: storage.vips?.(),
    calls: storage.calls?.(),
  };
}

/** One storage as several threads see it. */
export function mergeFigures(all: readonly [StorageFigures, ...StorageFigures[]]): StorageFigures {
  const gates: Partial<Record<Direction, GateFigures>> = {};
  for (const direction of DIRECTIONS) {
    const found = all.flatMap(({ gates }) => gates[direction] ?? []);
    const [first, ...others] = found;
    if (first !== undefined) gates[direction] = mergeGates([first, ...others]);
  }
  const transfers = all.flatMap((one) => one.transfers ?? []);
  const pools = all.flatMap(({ vips }) => vips ?? []);
  const calls = all.flatMap((one) => one.calls ?? []);
  return {
    name: all[0].name,
    gates,
    sizes: mergeSizes(all.flatMap(({ sizes }) => sizes)),
    transfers:
      transfers.length === 0
        ? undefined
        : { write: sumTimes(transfers.map(({ write }) => write)), read: sumTimes(transfers.map(({ read }) => read)) },
    vips: pools.length === 0 ? undefined : mergePools(pools),
    calls: calls.length === 0 ? undefined : mergeCalls(calls),
  };
}

function sumTimes(times: readonly PhaseTimes[]): PhaseTimes {
  return { moving: sum(times, ({ moving }) => moving), answering: sum(times, ({ answering }) => answering) };
}

/** Each thread has a share of the places. */
function mergeCalls(calls: readonly CallStatus[]): CallStatus {
  return {
    limit: sum(calls, ({ limit }) => limit),
    inFlight: sum(calls, ({ inFlight }) => inFlight),
    waiting: sum(calls, ({ waiting }) => waiting),
    oldestMs: Math.max(...calls.map(({ oldestMs }) => oldestMs)),
  };
}

function mergePools(pools: readonly VipPoolSnapshot[]): VipPoolSnapshot {
  const byName = new Map<string, VipSnapshot[]>();
  for (const { vips } of pools) for (const vip of vips) byName.set(vip.vip, [...(byName.get(vip.vip) ?? []), vip]);
  const lookupError = pools.find((pool) => pool.lookupError !== undefined)?.lookupError;
  return {
    vips: [...byName.values()].map((vips) => mergeVips(vips as [VipSnapshot, ...VipSnapshot[]])),
    waiting: sum(pools, ({ waiting }) => waiting),
    ...(lookupError === undefined ? {} : { lookupError }),
  };
}

/** Each thread judges for itself: a VIP that one of them keeps away from is not well. */
function mergeVips(vips: readonly [VipSnapshot, ...VipSnapshot[]]): VipSnapshot {
  const worst =
    vips.find(({ state }) => state === 'quarantined') ?? vips.find(({ state }) => state === 'healthy') ?? vips[0];
  const lastError = worst.lastError ?? vips.find((one) => one.lastError !== undefined)?.lastError;
  return {
    ...worst,
    inFlight: sum(vips, ({ inFlight }) => inFlight),
    window: sum(vips, ({ window }) => window),
    requests: sum(vips, ({ requests }) => requests),
    failures: sum(vips, ({ failures }) => failures),
    quarantines: sum(vips, ({ quarantines }) => quarantines),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
}
