import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { HandOverEngineOptions, HandOverReady, HandOverUsage } from './hand-over-engine.ts';

const HOST = 'build/ost-host';

/** What ost-host prints: `plugin: 8.00 GiB in 0.655 s, 12.21 GiB/s, 0.067 CPU-s/GiB`. */
const RESULT = /: ([0-9.]+) GiB in ([0-9.]+) s, [0-9.]+ GiB\/s, ([0-9.]+) CPU-s\/GiB/;

/** Of one run of `ost-host bench`: `host` is its CPU-seconds per GiB. */
export interface HostResult {
  readonly gib: number;
  readonly gibPerSecond: number;
  readonly host: number;
}

/** `ost-host bench` with these arguments. */
export async function runHost(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<HostResult> {
  const child = spawn(HOST, ['bench', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const [said, [status]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  const [, gib, seconds, cpu] = RESULT.exec(said) ?? [];
  if (status !== 0 || gib === undefined) throw new Error(`ost-host bench ended with status ${status}: ${said}`);
  return { gib: Number(gib), gibPerSecond: Number(gib) / Number(seconds), host: Number(cpu) };
}

/** An engine at work. */
export interface BesideEngine {
  /** User and system time of all its threads up to now, seconds. */
  usage(): Promise<number>;
  /** Of its metrics and console; 0 when they are off. */
  readonly port: number;
}

/** Run `work` beside an engine; resolves to its result and the CPU time that the engine took meanwhile, seconds. */
export async function besideEngine<T>(
  options: HandOverEngineOptions,
  work: (engine: BesideEngine) => Promise<T>,
): Promise<{ result: T; cpuSeconds: number }> {
  const engine = fork('bench/hand-over-engine.ts', [JSON.stringify(options)], {
    execArgv: ['--max-semi-space-size=4'],
  });
  const ended = once(engine, 'exit');
  const usage = async (): Promise<number> => {
    engine.send('usage');
    const [answer] = (await once(engine, 'message')) as [HandOverUsage];
    return answer.cpuSeconds;
  };
  try {
    const failed = ended.then(() => Promise.reject(new Error('the engine ended')));
    const [{ port }] = (await Promise.race([once(engine, 'message'), failed])) as [HandOverReady];
    const before = await usage();
    const result = await work({ usage, port });
    return { result, cpuSeconds: (await usage()) - before };
  } finally {
    if (engine.connected) engine.disconnect();
    await ended;
  }
}

/** What an engine and its hosts need on disk. */
export interface EngineFolder {
  /** Text of the configuration file. */
  readonly config: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Work with a folder for an engine, and remove it. The store is the S3 service at `endpoint`, else a directory; its LSU is `bench-lsu`. */
export async function inEngineFolder<T>(
  endpoint: string | undefined,
  work: (folder: EngineFolder) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  try {
    const socket = join(folder, 'socket');
    await mkdir(join(folder, 'store', 'bench-lsu'), { recursive: true });
    await writeFile(join(folder, 'plugin.conf'), `socket = ${socket}\n`);
    // The sink checks no signatures.
    await writeFile(join(folder, 'credentials'), 'access_key_id = bench\nsecret_access_key = bench\n', { mode: 0o600 });
    const config = `[general]
[performance]
memory_budget_mb = 4096
wire_integrity = none
[engine]
socket = ${socket}
state_dir = ${folder}
[metrics]
listen = 127.0.0.1:0
[server local]
store = ${endpoint === undefined ? `file:${join(folder, 'store')}` : `s3:${endpoint}`}
s3_credentials_file = ${join(folder, 'credentials')}
`;
    return await work({ config, env: { VAST_OST_PLUGIN_CONF: join(folder, 'plugin.conf') } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
