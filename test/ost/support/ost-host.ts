import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readIfThere, type Served } from './served.ts';

/** The folder of a build of the plugin; '' is the one that is installed. */
export const buildFolder = (sanitizers = ''): string =>
  fileURLToPath(new URL(`../../../build/${sanitizers}`, import.meta.url));
export const OST_HOST = join(buildFolder(), 'ost-host');

export interface HostCommand {
  /** Default: ost-host. */
  readonly program?: string;
  /** Put before it, like valgrind. */
  readonly wrapper?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Lines of plugin.conf beside socket, slot_mib and slots. */
  readonly plugin?: string;
}

/** Start a host process against an engine. */
export function startHost(
  served: Pick<Served, 'folder' | 'socket'>,
  args: readonly string[],
  { program = OST_HOST, wrapper = [], env = {}, plugin = '' }: HostCommand = {},
): ChildProcessWithoutNullStreams {
  const config = join(served.folder, 'plugin.conf');
  const text = `socket = ${served.socket}\nslot_mib = 16\nslots = 32\n${plugin}\n`;
  // Another host may be reading it.
  if (readIfThere(config) !== text) writeFileSync(config, text);
  const [command = program, ...rest] = [...wrapper, program, ...args];
  const child = spawn(command, rest, {
    env: { PATH: process.env['PATH'], VAST_OST_PLUGIN_CONF: config, VAST_OST_SERVER: 'VastData:test', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  return child;
}

export interface Ended {
  readonly code: number | null;
  /** Standard output and standard error. */
  readonly said: string;
}

/** Run a host process to its end. */
export async function ostHost(
  served: Pick<Served, 'folder' | 'socket'>,
  args: readonly string[],
  command: HostCommand = {},
): Promise<Ended> {
  const child = startHost(served, args, command);
  child.stdin.end();
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}
