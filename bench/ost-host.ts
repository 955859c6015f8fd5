import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { EnginePlace } from './engine-process.ts';

export const HOST = 'build/ost-host';

/** What `ost-host bench` measured. */
export interface HostResult {
  readonly gib: number;
  readonly gibPerSecond: number;
  /** CPU-seconds per GiB of the host process. */
  readonly host: number;
}

/** What it prints: `plugin: 8.00 GiB in 0.655 s, 12.21 GiB/s, 0.067 CPU-s/GiB`. */
const RESULT = /: ([0-9.]+) GiB in ([0-9.]+) s, [0-9.]+ GiB\/s, ([0-9.]+) CPU-s\/GiB/;

/** What `ost-host bench` said. `place` is that of the engine; absent: none is needed. */
export async function hostSays(args: readonly string[], place?: EnginePlace): Promise<string> {
  const child = spawn(HOST, ['bench', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(place === undefined ? {} : { VAST_OST_PLUGIN_CONF: place.pluginConf }) },
  });
  const [said, [status]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (status !== 0) throw new Error(`ost-host bench ended with status ${status}: ${said}`);
  return said;
}

export async function runHost(args: readonly string[], place?: EnginePlace): Promise<HostResult> {
  const said = await hostSays(args, place);
  const [, gib, seconds, cpu] = RESULT.exec(said) ?? [];
  if (gib === undefined) throw new Error(`ost-host bench said ${said}`);
  return { gib: Number(gib), gibPerSecond: Number(gib) / Number(seconds), host: Number(cpu) };
}

/** So many bytes in all, by so many streams. */
export const sizeArguments = (streams: number, bytes: number): readonly string[] => [
  '--streams',
  String(streams),
  '--generate',
  String(Math.floor(bytes / streams)),
];
