/**
 * The engine as a process of its own, for bench/engine-process.ts: takes {@link EngineProcessOptions} as JSON argument, says
 * {@link EngineReady} over the IPC channel, answers `usage` with what it used so far, and ends with the channel.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { pino } from 'pino';
import { bridge, DIGEST_BYTES, LEAF_BYTES } from '../src/bridge/bridge.ts';
import { parseIni } from '../src/config/ini.ts';
import { planLanes } from '../src/config/lanes.ts';
import { buildSettings } from '../src/config/settings.ts';
import { Console } from '../src/console/console.ts';
import type { WriteHandle } from '../src/image/image-backend.ts';
import { AccessFiles } from '../src/metrics/access.ts';
import { serveMetrics } from '../src/metrics/serve-metrics.ts';
import type { ImageBackend } from '../src/ost/backend.ts';
import { OstEngine } from '../src/ost/engine.ts';
import { imageHandles } from '../src/ost/image-handles.ts';
import { Lanes } from '../src/ost/lanes/lanes.ts';
import { createResources } from '../src/pipeline/resources.ts';
import { builtInStages } from '../src/stages/built-in.ts';

export interface EngineProcessOptions {
  /** Text of the configuration file. */
  readonly config: string;
  /** Give every slot back unread: what is left is the hand-over. Images become empty ones. */
  readonly discard: boolean;
  /** Absent or true: as the engine does. False: every leaf has the same digest, at no cost. For images that nobody reads, in the main thread. */
  readonly digests?: boolean;
  /** 0: images are worked on in the main thread. Default: what the engine takes on this machine. */
  readonly lanes?: number;
  /** Serve metrics and console, or do not; absent: do not, and measure how late the event loop is. */
  readonly metrics?: boolean;
}

/** The engine can be connected to. */
export interface EngineReady {
  /** Of metrics and console; 0 when they are off. */
  readonly port: number;
}

export interface EngineUsage {
  /** User and system time of all threads of the engine, seconds. */
  readonly cpuSeconds: number;
  /** Of these, what its main loop was busy, and the loops of its lanes together. */
  readonly loopSeconds: number;
  readonly laneSeconds: number;
  /** Highest resident memory so far, bytes. The shared slots count. */
  readonly peakRss: number;
  /** 99th percentile of how late its main loop was since the last question, milliseconds. */
  readonly loopDelayP99: number;
  /** That of the lane with the highest, over ten seconds or since it began. */
  readonly laneDelayP99: number;
}

function discarding(handle: WriteHandle): WriteHandle {
  let size = 0;
  return {
    imageId: handle.imageId,
    chunkBytes: handle.chunkBytes,
    firstChunk: 0,
    size: 0,
    present: async () => 0,
    put: (chunk, bytes, _last, lease) => {
      size = Math.max(size, chunk * handle.chunkBytes + bytes.byteLength);
      lease.release();
    },
    flush: async () => undefined,
    writeMeta: (index, bytes) => handle.writeMeta(index, bytes),
    readMeta: (index) => handle.readMeta(index),
    close: (mode) => handle.close(mode, 0),
    detach: () => handle.detach(),
    onFailure: (listener) => handle.onFailure(listener),
    get progress() {
      return { accepted: size, acknowledged: size, stored: 0, partsInFlight: 0 };
    },
  };
}

const discardingHandles: ImageBackend = {
  ...imageHandles,
  create: async (...args) => discarding(await imageHandles.create(...args)),
};

const {
  config,
  discard,
  digests = true,
  lanes: wanted,
  metrics: served,
} = JSON.parse(process.argv[2] ?? '') as EngineProcessOptions;
const settings = buildSettings(parseIni(config, 'bench'));
const half = settings.performance.memory_budget_mb / 2;
const withoutDigests: typeof bridge = {
  ...bridge,
  leafDigests: async (data) => Buffer.alloc(Math.ceil(data.byteLength / LEAF_BYTES) * DIGEST_BYTES),
};
const resources = createResources(digests ? bridge : withoutDigests, half, builtInStages());
const log = pino({ level: 'warn' }, pino.destination(2));
const lines: string[] = [];
const told = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
const access = await AccessFiles.open(settings.metrics);
const metrics = served ? serveMetrics(settings, access, told) : undefined;
const console = served ? await Console.prepare(settings, access, told) : undefined;
const count = discard ? 0 : (wanted ?? planLanes(settings.engine.lanes).count);
const { budget } = resources;
const observe = metrics?.observe;
const lanes = count === 0 ? undefined : await Lanes.open({ settings, count, budget, log, observe });
const engine = await OstEngine.start({
  settings,
  bridge,
  resources,
  slotReserve: half,
  backend: lanes ?? (discard ? discardingHandles : imageHandles),
  log,
  observe,
});
if (console !== undefined) await metrics?.open(engine, console.open(engine));
/** Finer, and the timer would be most of what a thread without payload does. */
const RESOLUTION_MS = 10;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
if (served === undefined) delay.enable();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const usage: EngineUsage = {
    cpuSeconds: (user + system) / 1e6,
    loopSeconds: performance.eventLoopUtilization().active / 1000,
    laneSeconds: (lanes?.lanes ?? []).reduce((sum, { active }) => sum + active, 0),
    peakRss: process.resourceUsage().maxRSS * 1024,
    loopDelayP99: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS),
    laneDelayP99: 1000 * Math.max(0, ...(lanes?.lanes ?? []).map(({ delays }) => new Map(delays).get(0.99) ?? 0)),
  };
  delay.reset();
  process.send?.(usage);
});
process.on('disconnect', () => {
  void console?.close();
  void metrics?.close();
  void engine
    .stop()
    .then(() => lanes?.close())
    .then(() => resources.slabs.close());
});
const port = Number(/"port":(\d+),/.exec(lines.join(''))?.[1] ?? 0);
process.send?.({ port } satisfies EngineReady);
