import type { Direction } from '../vast/flow/flow-control.ts';
import type { Reason } from '../vast/flow/hill-climb.ts';
import type { CallStatus } from '../vast/nfs/call-gate.ts';
import type { Storage } from '../vast/store.ts';
import type { PhaseTimes } from '../vast/transfer-meter.ts';
import type { VipSnapshot } from '../vast/vip-pool/vip.ts';
import type { VipPoolSnapshot } from '../vast/vip-pool/vip-pool.ts';

/** What bounds the requests in flight of one direction, now. */
export interface GateFigures {
  readonly limit: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** How often the limit was changed. */
  readonly decisions: ReadonlyMap<Reason, number>;
}

/** How a storage is doing, as one thread sees it or all of them together. Plain values. */
export interface StorageFigures {
  /** As {@link Storage.name}. */
  readonly name: string;
  readonly gates: Readonly<Partial<Record<Direction, GateFigures>>>;
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
    const { limit, inFlight, waiting, decisions } = gate;
    gates[direction] = { limit, inFlight, waiting, decisions: new Map(decisions) };
  }
  return {
    name,
    gates,
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
    if (found.length > 0) gates[direction] = mergeGates(found);
  }
  const transfers = all.flatMap((one) => one.transfers ?? []);
  const pools = all.flatMap(({ vips }) => vips ?? []);
  const calls = all.flatMap((one) => one.calls ?? []);
  return {
    name: all[0].name,
    gates,
    transfers:
      transfers.length === 0
        ? undefined
        : { write: sumTimes(transfers.map(({ write }) => write)), read: sumTimes(transfers.map(({ read }) => read)) },
    vips: pools.length === 0 ? undefined : mergePools(pools),
    calls: calls.length === 0 ? undefined : mergeCalls(calls),
  };
}

/** Threads share the way: what they may have in flight adds up. One that has nothing to do takes no part. */
function mergeGates(gates: readonly GateFigures[]): GateFigures {
  const busy = gates.filter(({ inFlight, waiting }) => inFlight + waiting > 0);
  const decisions = new Map<Reason, number>();
  for (const gate of gates)
    for (const [reason, count] of gate.decisions) decisions.set(reason, (decisions.get(reason) ?? 0) + count);
  return {
    limit: busy.length > 0 ? sum(busy, ({ limit }) => limit) : Math.max(...gates.map(({ limit }) => limit)),
    inFlight: sum(gates, ({ inFlight }) => inFlight),
    waiting: sum(gates, ({ waiting }) => waiting),
    decisions,
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
