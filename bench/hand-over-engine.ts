/**
 * The engine as a process of its own, for bench/beside-engine.ts: takes a {@link HandOverEngineOptions} as JSON argument, says
 * {@link HandOverReady} over the IPC channel, answers `usage` with its CPU time so far, and ends with the channel.
 */
import { pino } from 'pino';
import { bridge } from '../src/bridge/bridge.ts';
import { parseIni } from '../src/config/ini.ts';
import { buildSettings } from '../src/config/settings.ts';
import { Console } from '../src/console/console.ts';
import type { WriteHandle } from '../src/image/image-backend.ts';
import { serveMetrics } from '../src/metrics/serve-metrics.ts';
import type { ImageBackend } from '../src/ost/backend.ts';
import { OstEngine } from '../src/ost/engine.ts';
import { imageHandles } from '../src/ost/image-handles.ts';
import { createResources } from '../src/pipeline/resources.ts';
import { builtInStages } from '../src/stages/built-in.ts';

export interface HandOverEngineOptions {
  /** Text of the configuration file. */
  readonly config: string;
  /** Give every slot back unread: what is left is the hand-over. Images become empty ones. */
  readonly discard: boolean;
  /** Have metrics, and serve them and the console. */
  readonly metrics?: boolean;
}

/** The engine can be connected to. */
export interface HandOverReady {
  /** Of metrics and console; 0 when they are off. */
  readonly port: number;
}

/** User and system time of all threads of the engine, seconds. */
export interface HandOverUsage {
  readonly cpuSeconds: number;
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

const { config, discard, metrics: served = false } = JSON.parse(process.argv[2] ?? '') as HandOverEngineOptions;
const settings = buildSettings(parseIni(config, 'bench'));
const half = settings.performance.memory_budget_mb / 2;
const resources = createResources(bridge, half, builtInStages());
const lines: string[] = [];
const told = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
const metrics = served ? await serveMetrics(settings, told) : undefined;
const console = served ? await Console.prepare(settings, told) : undefined;
const engine = await OstEngine.start({
  settings,
  bridge,
  resources,
  slotReserve: half,
  backend: discard ? discardingHandles : imageHandles,
  log: pino({ level: 'warn' }, pino.destination(2)),
  observe: metrics?.observe,
});
if (console !== undefined) await metrics?.open(engine, console.open(engine));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuSeconds: (user + system) / 1e6 } satisfies HandOverUsage);
});
process.on('disconnect', () => {
  void console?.close();
  void metrics?.close();
  void engine.stop().then(() => resources.slabs.close());
});
const port = Number(/"port":(\d+),/.exec(lines.join(''))?.[1] ?? 0);
process.send?.({ port } satisfies HandOverReady);
