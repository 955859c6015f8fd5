import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineProcessOptions, EngineReady, EngineUsage } from './engine-child.ts';
import { ENGINE_FLAGS } from './run-job.ts';

const [, nice = '0'] = /^Nice=(-?[0-9]+)$/m.exec(readFileSync('deploy/vast-ost.service', 'utf8')) ?? [];

/** What the engine of {@link besideEngine} is to store in. */
export interface EngineStore {
  /** `s3:http://…`; absent: a directory of its own. */
  readonly url?: string;
  readonly caFile?: string | undefined;
  readonly wireIntegrity?: 'none' | 'auto';
  /** Further lines of `[performance]`. */
  readonly performance?: readonly string[];
  /** Give every slot back unread. */
  readonly discard?: boolean;
  /** As in {@link EngineProcessOptions}. */
  readonly digests?: boolean;
  /** As in {@link EngineProcessOptions}. */
  readonly lanes?: number | undefined;
  /** Have metrics and console, or have none and measure nothing else that takes time by itself. Default: none. */
  readonly metrics?: boolean;
}

/** What hosts need to find the engine, and what it was made of. */
export interface EnginePlace {
  /** For the environment of hosts: VAST_OST_PLUGIN_CONF. */
  readonly pluginConf: string;
  /** Of a directory store. */
  readonly storeDir: string;
}

/** The engine at work. */
export interface EngineAtWork {
  /** What it used up to now. */
  usage(): Promise<EngineUsage>;
  /** Of metrics and console; 0 when there are none. */
  readonly port: number;
}

export const LSU = 'bench-lsu';

function configOf(store: EngineStore, folder: string, socket: string, storeDir: string): string {
  return `[general]
${store.caFile === undefined ? '' : `s3_ca_file = ${store.caFile}`}
[performance]
memory_budget_mb = 4096
wire_integrity = ${store.wireIntegrity ?? 'none'}
${(store.performance ?? []).join('\n')}
[metrics]
listen = 127.0.0.1:0
[engine]
socket = ${socket}
state_dir = ${folder}
[server local]
store = ${store.url ?? `file:${storeDir}`}
s3_credentials_file = ${join(folder, 'credentials')}
`;
}

async function runEngine<T>(
  options: EngineProcessOptions,
  work: (engine: EngineAtWork) => Promise<T>,
): Promise<{ result: T; usage: EngineUsage }> {
  const engine = fork('bench/engine-child.ts', [JSON.stringify(options)], {
    // With the priority that its service has; without the right to it, `nice` says so and goes on.
    execPath: 'nice',
    execArgv: ['-n', nice, process.execPath, ...ENGINE_FLAGS],
    env: { ...process.env, UV_THREADPOOL_SIZE: '128' },
  });
  const ended = once(engine, 'exit');
  const usage = async (): Promise<EngineUsage> => {
    engine.send('usage');
    const [answer] = (await once(engine, 'message')) as [EngineUsage];
    return answer;
  };
  try {
    const failed = ended.then(() => Promise.reject(new Error('the engine ended')));
    const [{ port }] = (await Promise.race([once(engine, 'message'), failed])) as [EngineReady];
    const before = await usage();
    const result = await work({ usage, port });
    const after = await usage();
    const since = (of: (usage: EngineUsage) => number): number => of(after) - of(before);
    return {
      result,
      usage: {
        ...after,
        cpuSeconds: since(({ cpuSeconds }) => cpuSeconds),
        loopSeconds: since(({ loopSeconds }) => loopSeconds),
        laneSeconds: since(({ laneSeconds }) => laneSeconds),
      },
    };
  } finally {
    if (engine.connected) engine.disconnect();
    await ended;
  }
}

/** Run `work` beside an engine as bin/vast-ost would start it; resolves to its result and what the engine used meanwhile. */
export async function besideEngine<T>(
  store: EngineStore,
  work: (place: EnginePlace, engine: EngineAtWork) => Promise<T>,
): Promise<{ result: T; usage: EngineUsage }> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  try {
    const socket = join(folder, 'socket');
    const place = { pluginConf: join(folder, 'plugin.conf'), storeDir: join(folder, 'store') };
    await mkdir(join(place.storeDir, LSU), { recursive: true });
    await writeFile(place.pluginConf, `socket = ${socket}\n`);
    // The sink checks no signatures.
    await writeFile(join(folder, 'credentials'), 'access_key_id = bench\nsecret_access_key = bench\n', { mode: 0o600 });
    const config = configOf(store, folder, socket, place.storeDir);
    const { discard = false, digests = true, lanes, metrics } = store;
    const options = { ...(lanes === undefined ? {} : { lanes }), ...(metrics === undefined ? {} : { metrics }) };
    return await runEngine({ config, discard, digests, ...options }, (engine) => work(place, engine));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
