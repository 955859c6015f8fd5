import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
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
import { startSink } from '../../bench/sink.ts';
import { type Bridge, bridge } from '../../src/bridge/bridge.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings, type Settings } from '../../src/config/settings.ts';
import { Console } from '../../src/console/console.ts';
import { AccessFiles } from '../../src/metrics/access.ts';
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
const PART_MIB = 5;
/** Several times what the kernels of a connection hold, which take that much at once. */
const LARGE_PART_MIB = 16;
const SLOTS = 4;
const KEYS = { accessKeyId: 'SLOWKEY', secretAccessKey: 'slow/secret' };
/** Each is many times what everything else takes for a part. */
const SLOW_MS = 1500;
/** Of the slow way, a second. */
const SLOW_BYTES = 6 * MIB;
const LSU = 'bench-lsu';

/** What is slow in an engine's surroundings, and how it is to be called. */
export interface Slowness {
  readonly limit: Limit;
  readonly compression?: 'lz4';
  /** Between two chunks of the host. */
  readonly hostMs?: number;
  readonly bridge?: Partial<Bridge>;
  /** What the storage does with requests that bring data. */
  readonly fault?: FaultHook;
  /** A sink that takes only so many bytes a second, piece by piece, instead of a storage. */
  readonly bytesPerSecond?: number;
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
  'a slow network': { limit: 'network', bytesPerSecond: SLOW_BYTES },
  'a storage that answers late': { limit: 'storage', front: answersLate },
  'a storage that reads late': {
    limit: 'storage',
    fault: ({ method, key }) => (method === 'PUT' && isData.test(`/${key}`) ? { delayMs: 2 * SLOW_MS } : undefined),
  },
};

async function storage(t: Test, folder: string, { fault, front }: Slowness): Promise<number> {
  const sim = await startS3Sim({
    dir: join(folder, 'sim'),
    accessKey: KEYS.accessKeyId,
    secretKey: KEYS.secretAccessKey,
    checksumMode: 'reject',
    ...(fault === undefined ? {} : { onRequest: fault }),
  });
  t.teardown(() => sim.close());
  const storage = new S3Storage(new URL(sim.url), { credentials: KEYS });
  await storage.createLsu(LSU);
  await storage.close();
  return (await front?.(t, sim.port)) ?? sim.port;
}

async function sink(t: Test, bytesPerSecond: number): Promise<number> {
  execFileSync('make', ['--silent', '-f', 'bench/bench.mk', 'bench-sink'], { stdio: 'inherit' });
  const running = await startSink(['--rate', String(bytesPerSecond)]);
  t.teardown(async () => {
    await running.stop();
  });
  return Number(new URL(running.endpoint).port);
}

/** An engine with its console and metrics, and a host that backs up until the test ends. */
export interface SlowEngine {
  readonly port: number;
  readonly settings: Settings;
}

/** @param at the port of console and metrics. */
export async function startSlowEngine(t: Test, slow: Slowness, at: number): Promise<SlowEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'vost-slow-'));
  const port = slow.bytesPerSecond === undefined ? await storage(t, folder, slow) : await sink(t, slow.bytesPerSecond);
  const partMib = slow.bytesPerSecond === undefined ? PART_MIB : LARGE_PART_MIB;
  const keys = join(folder, 'keys');
  const { accessKeyId, secretAccessKey } = KEYS;
  writeFileSync(keys, `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`, { mode: 0o600 });
  const socket = join(folder, 'socket');
  const text = `
[performance]
chunk_size_mb = ${partMib}
part_size_mb = ${partMib}
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
  const access = await AccessFiles.open(settings.metrics);
  const metrics = serveMetrics(settings, access, log);
  const console = await Console.prepare(settings, access, log);
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
  const host = new Host({ slotBytes: LARGE_PART_MIB * MIB, slotCount: SLOTS });
  await host.connect(socket);
  await host.openServer();
  const stop = new AbortController();
  const working = backUp(host, partMib * MIB, slow.hostMs ?? 0, stop.signal);
  t.teardown(async () => {
    stop.abort();
    await host.close();
    await working;
    await console.close();
    await engine.stop();
    await metrics.close();
    resources.slabs.close();
    rmSync(folder, { recursive: true });
  });
  return { port: at, settings };
}

/** One image without an end, until the connection breaks. */
async function backUp(host: Host, bytes: number, pauseMs: number, signal: AbortSignal): Promise<void> {
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
  const data = randomBytes(bytes);
  try {
    await host.create(1n, imageId('endless'), { lsu: LSU });
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
