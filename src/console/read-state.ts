import type { OstEngine } from '../ost/engine.ts';
import { findBottleneck, inOrder, type TransferTimes } from '../pipeline/bottleneck.ts';
import type { Flow, StageTotals } from '../pipeline/stage-meters.ts';
import type { Direction } from '../vast/flow/flow-control.ts';
import { VERSION } from '../version.ts';
import { openImages, readRunning, timeOf } from './read-images.ts';
import { figuresOfAll, keyOf, type Sample } from './sample.ts';
import type { Flow as FlowState, State } from './schemas.ts';

/** Images that every look shows; the API has them all. */
const SHOWN = 100;
const FLOWS: readonly (readonly [Flow, Direction])[] = [
  ['backup', 'write'],
  ['restore', 'read'],
];

/** The picture of an engine between two samples. */
export function readState(engine: OstEngine, before: Sample, now: Sample): State {
  const { services } = engine;
  const open = openImages(services);
  return {
    at: timeOf(Date.now()),
    window_seconds: (now.at - before.at) / 1000,
    engine: {
      version: VERSION,
      instance: services.instance,
      began: timeOf(performance.timeOrigin),
      draining: services.drain.draining,
      sessions: engine.sessions,
    },
    flows: FLOWS.map(([flow, direction]) => readFlow(flow, direction, before, now)),
    queues: readQueues(engine),
    memory: { used: services.resources.budget.used, limit: services.resources.budget.total },
    images: {
      running: open.length,
      shown: open.slice(0, SHOWN).map((image) => {
        const { stages: _, ...shown } = readRunning(image, before, now);
        return shown;
      }),
    },
    problems: services.problems.all().length,
  };
}

function readFlow(flow: Flow, direction: Direction, before: Sample, now: Sample): FlowState {
  const seconds = (now.at - before.at) / 1000;
  const stages = [...now.stages.values()]
    .filter((stage) => stage.flow === flow)
    .map((stage) => since(before.stages.get(keyOf(stage)), stage));
  // What has no stream and did nothing is of the past.
  const live = inOrder(stages).filter(({ streams, times }) => streams > 0 || sumOf(times) > 0);
  return {
    flow,
    bytes_per_second: perSecond(now.bytes[direction] - before.bytes[direction], seconds),
    stages: live.map((one) => {
      const { stage, streams, bytesIn, times } = one;
      const all = Math.max(sumOf(times), Number.EPSILON);
      return {
        stage,
        streams,
        bytes_per_second: now.stages.get(keyOf(one))?.bytesIn === 0 ? null : perSecond(bytesIn, seconds),
        busy: Math.min(1, times.busy / all),
        waits_upstream: Math.min(1, times.upstream / all),
        waits_downstream: Math.min(1, times.downstream / all),
      };
    }),
    bottleneck: findBottleneck(flow, live, between(before.transfers[direction], now.transfers[direction])) ?? null,
  };
}

function readQueues(engine: OstEngine): State['queues'] {
  const { services } = engine;
  const slots: Record<string, number> = {};
  for (const session of engine.hosts())
    for (const state of session.slots.states()) slots[state] = (slots[state] ?? 0) + 1;
  let parts = 0;
  for (const image of services.writers.values()) parts += image.partsInFlight;
  let waiting = 0;
  for (const { gates } of figuresOfAll(services.servers.all()))
    waiting += (gates.write?.waiting ?? 0) + (gates.read?.waiting ?? 0);
  return {
    parts_in_flight: parts,
    parts_waiting: waiting,
    slots,
    slots_waiting: services.memory.waiting,
    stages_waiting: services.resources.budget.waiting,
  };
}

function since(before: StageTotals | undefined, now: StageTotals): StageTotals {
  if (before === undefined) return now;
  return {
    ...now,
    bytesIn: now.bytesIn - before.bytesIn,
    bytesOut: now.bytesOut - before.bytesOut,
    times: {
      busy: now.times.busy - before.times.busy,
      upstream: now.times.upstream - before.times.upstream,
      downstream: now.times.downstream - before.times.downstream,
    },
  };
}

function between(before: TransferTimes, now: TransferTimes): TransferTimes {
  return { moving: now.moving - before.moving, answering: now.answering - before.answering };
}

function sumOf({ busy, upstream, downstream }: StageTotals['times']): number {
  return busy + upstream + downstream;
}

/** Those of an image that was detached can come back with less. */
function perSecond(bytes: number, seconds: number): number {
  return seconds > 0 ? Math.max(0, bytes / seconds) : 0;
}
