import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { Test } from 'tap';
import { type Bridge, bridge } from '../../src/bridge/bridge.ts';
import { ChaosProxy } from '../../src/chaos/proxy.ts';
import { proxyPlan } from '../../src/chaos/proxy-faults.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings, type Settings } from '../../src/config/settings.ts';
import { Console } from '../../src/console/console.ts';
import { serveMetrics } from '../../src/metrics/serve-metrics.ts';
import { OstEngine } from '../../src/ost/engine.ts';
import { imageHandles } from '../../src/ost/image-handles.ts';
import type { Limit } from '../../src/pipeline/bottleneck.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import type { FaultHook } from '../../src/sim/s3/settings.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { Host, imageId } from '../ost/support/host.ts';

const MIB = 1024 * 1024;
/** More than a connection's kernels hold when nobody reads. */
const PART_BYTES = 5 * MIB;
const SLOTS = 4;
const KEYS = { accessKeyId: 'SLOWKEY', secretAccessKey: 'slow/secret' };
/** Each is many times what everything else takes for a part. */
const SLOW_MS = 1500;
/** Per 64 KiB: 80 of them are a part. */
const PIECE_MS = 25;

/** What is slow in an engine's surroundings, and how it is to be called. */
export interface Slowness {
  readonly limit: Limit;
  readonly compression?: 'lz4';
  /** Between two chunks of the host. */
  readonly hostMs?: number;
  readonly bridge?: Partial<Bridge>;
  /** What the storage does with requests that bring data. */
  readonly fault?: FaultHook;
  /** What stands before it. */
  readonly front?: (t: Test, port: number) => Promise<number>;
}

const isData = /\/(fragment|held|tail)-/;

/** Reads whole requests, and passes them on after a while. */
async function answersLate(t: Test, port: number): Promise<number> {
  const server = createServer(async (incoming, response) => {
    const body = await buffer(incoming);
    if (body.byteLength > MIB) await delay(SLOW_MS);
    const { method, url: path, headers } = incoming;
    const passed = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy()).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function slowWay(t: Test, port: number): Promise<number> {
  const plan = proxyPlan(1, [{ effect: { kind: 'latency', ms: PIECE_MS } }]);
  const proxy = await ChaosProxy.listen({ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port }, plan);
  t.teardown(() => proxy.close());
  return proxy.address.port;
}

export const SLOWNESSES: Readonly<Record<string, Slowness>> = {
  'a slow host': { limit: 'source', hostMs: SLOW_MS },
  'slow digests': {
    limit: 'hash',
    bridge: { leafDigests: (data) => delay(SLOW_MS).then(() => bridge.leafDigests(data)) },
  },
  'slow compression': {
    limit: 'compress',
    compression: 'lz4',
    bridge: { xxh32: (pieces) => delay(SLOW_MS).then(() => bridge.xxh32(pieces)) },
  },
  'a slow network': { limit: 'network', front: slowWay },
  'a storage that answers late': { limit: 'storage', front: answersLate },
  'a storage that reads late': {
    limit: 'storage',
    fault: ({ method, key }) => (method === 'PUT' && isData.test(`/${key}`) ? { delayMs: 2 * SLOW_MS } : undefined),
  },
};

/** An engine with its console and metrics, and a host that backs up until the test ends. */
export interface SlowEngine {
  readonly port: number;
  readonly settings: Settings;
}

/** @param at the port of console and metrics. */
export async function startSlowEngine(t: Test, slow: Slowness, at: number): Promise<SlowEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'vost-slow-'));
  const sim = await startS3Sim({
    dir: join(folder, 'sim'),
    accessKey: KEYS.accessKeyId,
    secretKey: KEYS.secretAccessKey,
    checksumMode: 'reject',
    ...(slow.fault === undefined ? {} : { onRequest: slow.fault }),
  });
  const storage = new S3Storage(new URL(sim.url), { credentials: KEYS });
  await storage.createLsu('lsu');
  await storage.close();
  const port = (await slow.front?.(t, sim.port)) ?? sim.port;
  const keys = join(folder, 'keys');
  const { accessKeyId, secretAccessKey } = KEYS;
  writeFileSync(keys, `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`, { mode: 0o600 });
  const socket = join(folder, 'socket');
  const text = `
[performance]
chunk_size_mb = 5
part_size_mb = 5
compression = ${slow.compression ?? 'none'}
parallel_streams = 2
[engine]
socket = ${socket}
state_dir = ${join(folder, 'state')}
[metrics]
listen = 127.0.0.1:${at}
[server test]
store = s3:http://127.0.0.1:${port}
s3_credentials_file = ${keys}
`;
  const settings = buildSettings(parseIni(text, 'test.conf'));
  const log = pino({ level: 'silent' });
  const resources = createResources({ ...bridge, ...slow.bridge }, 128 * MIB, builtInStages());
  const metrics = await serveMetrics(settings, log);
  const console = await Console.prepare(settings, log);
  const engine = await OstEngine.start({
    settings,
    bridge,
    resources,
    slotReserve: 128 * MIB,
    backend: imageHandles,
    log,
    observe: metrics.observe,
  });
  await metrics.open(engine, console.open(engine));
  const host = new Host({ slotBytes: 8 * MIB, slotCount: SLOTS });
  await host.connect(socket);
  await host.openServer();
  const stop = new AbortController();
  const working = backUp(host, slow.hostMs ?? 0, stop.signal);
  t.teardown(async () => {
    stop.abort();
    await host.close();
    await working;
    await console.close();
    await engine.stop();
    await metrics.close();
    resources.slabs.close();
    await sim.close();
    rmSync(folder, { recursive: true });
  });
  return { port: at, settings };
}

/** One image without an end, until the connection breaks. */
async function backUp(host: Host, pauseMs: number, signal: AbortSignal): Promise<void> {
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
  const data = Buffer.alloc(PART_BYTES);
  for (let at = 0; at < PART_BYTES; at += 4) data.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
  try {
    await host.create(1n, imageId('endless'));
    for (let chunk = 0; !signal.aborted; chunk += 1) {
      const freed = slots.length > 0 ? undefined : host.notice('SLOT_FREE', { handle: 1n });
      const slot = slots.shift() ?? (await Promise.race([freed, once(signal, 'abort')]).then(slotOf));
      if (slot === undefined) return;
      await delay(pauseMs, undefined, { signal });
      await host.write(1n, chunk, slot, data);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function slotOf(notice: unknown): number | undefined {
  return typeof notice === 'object' && notice !== null && 'slot' in notice ? Number(notice.slot) : undefined;
}
