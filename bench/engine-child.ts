/**
 * The engine as a process of its own, for bench/engine-process.ts: takes {@link EngineProcessOptions} as JSON argument, says
 * `ready` over the IPC channel, answers `usage` with what it used so far, and ends with the channel.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pino } from 'pino';
import { bridge } from '../src/bridge/bridge.ts';
import { parseIni } from '../src/config/ini.ts';
import { buildSettings } from '../src/config/settings.ts';
import type { WriteHandle } from '../src/image/image-backend.ts';
import type { ImageBackend } from '../src/ost/backend.ts';
import { OstEngine } from '../src/ost/engine.ts';
import { imageHandles } from '../src/ost/image-handles.ts';
import { createResources } from '../src/pipeline/resources.ts';
import { builtInStages } from '../src/stages/built-in.ts';

export interface EngineProcessOptions {
  /** Text of the configuration file. */
  readonly config: string;
  /** Give every slot back unread: what is left is the hand-over. Images become empty ones. */
  readonly discard: boolean;
}

export interface EngineUsage {
  /** User and system time of all threads of the engine, seconds. */
  readonly cpuSeconds: number;
  /** Highest resident memory so far, bytes. The shared slots count. */
  readonly peakRss: number;
  /** 99th percentile of how late its event loop was since the last question, milliseconds. */
  readonly loopDelayP99: number;
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

const { config, discard } = JSON.parse(process.argv[2] ?? '') as EngineProcessOptions;
const settings = buildSettings(parseIni(config, 'bench'));
const half = settings.performance.memory_budget_mb / 2;
const resources = createResources(bridge, half, builtInStages());
const engine = await OstEngine.start({
  settings,
  bridge,
  resources,
  slotReserve: half,
  backend: discard ? discardingHandles : imageHandles,
  log: pino({ level: 'warn' }, pino.destination(2)),
});
const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const usage: EngineUsage = {
    cpuSeconds: (user + system) / 1e6,
    peakRss: process.resourceUsage().maxRSS * 1024,
    loopDelayP99: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS),
  };
  delay.reset();
  process.send?.(usage);
});
process.on('disconnect', () => {
  void engine.stop().then(() => resources.slabs.close());
});
process.send?.('ready');
