import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildFolder, startHost } from '../ost/support/ost-host.ts';
import type { Served } from '../ost/support/served.ts';

export const CHURN = join(buildFolder(), 'ost-test', 'churn');
const LIBRARY = join(buildFolder(), 'libstspiVastData.so');

/** What a process holds. */
export interface Holds {
  /** Private memory, KiB. */
  readonly memory: number;
  readonly descriptors: number;
  /** Mapped memory of hosts. */
  readonly arenas: number;
}

export interface ChurnResult {
  /** Rounds of all processes. */
  readonly rounds: number;
  readonly seconds: number;
  /** At ten marks on the way, all processes standing still. */
  readonly engine: readonly Holds[];
  /** Per process, at the same marks. */
  readonly hosts: readonly (readonly Holds[])[];
  readonly before: Holds;
  readonly after: Holds;
  /** Entries of /dev/shm that came and stayed. */
  readonly shm: readonly string[];
}

/** What a process of this machine holds now. */
export function holdsOf(pid: number): Holds {
  const text = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'utf8');
  const descriptors = readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) !== '';
    } catch {
      return false;
    }
  });
  return {
    memory: Number(/^RssAnon:\s+(\d+) kB$/m.exec(text('status'))?.[1]),
    descriptors: descriptors.length,
    arenas: text('maps').split('memfd:vast-ost').length - 1,
  };
}

/**
 * Host processes that open and close handles, or read old images while they write new ones (addon/test/churn.c), in front of a real
 * engine. All stop at ten marks while it is looked at what they and the engine hold. Throws what a process said that failed.
 */
export async function churn(
  served: Served,
  what: 'handles' | 'mixed',
  size: { readonly rounds: number; readonly processes: number; readonly streams: number },
): Promise<ChurnResult> {
  const engine = served.child?.pid as number;
  const began = performance.now();
  const shm = new Set(readdirSync('/dev/shm'));
  const before = holdsOf(engine);
  const each = Math.ceil(size.rounds / size.processes);
  const hosts = Array.from({ length: size.processes }, () => {
    const args = [LIBRARY, 'lsu-1', what, String(each), String(size.streams)];
    const child = startHost(served, args, { program: CHURN });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    return { child, lines, closed: once(child, 'close') as Promise<[number | null, string | null]> };
  });
  const engineHolds: Holds[] = [];
  const hostHolds: Holds[][] = hosts.map(() => []);
  let rounds = 0;
  for (let mark = 0; mark < 10; mark += 1) {
    const said = await Promise.all(hosts.map(async ({ lines }) => (await lines.next()).value as string | undefined));
    const marks = said.map((line) => /^at (\d+) (\d+) (\d+) (\d+)$/.exec(line ?? ''));
    marks.forEach((match, at) => {
      if (match === null) throw new Error(`host ${at} at mark ${mark}: ${said[at] ?? 'ended'}`);
      const [, , memory, descriptors, arenas] = match;
      hostHolds[at]?.push({ memory: Number(memory), descriptors: Number(descriptors), arenas: Number(arenas) });
    });
    rounds = marks.reduce((sum, match) => sum + Number(match?.[1]), 0);
    engineHolds.push(holdsOf(engine));
    for (const { child } of hosts) child.stdin.write('on\n');
  }
  for (const { closed } of hosts) {
    const [code, signal] = await closed;
    if (code !== 0) throw new Error(`a host ended with ${signal ?? code}`);
  }
  // The engine hears of the end of a host after the host has ended.
  while (holdsOf(engine).arenas > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  return {
    rounds,
    seconds: (performance.now() - began) / 1000,
    engine: engineHolds,
    hosts: hostHolds,
    before,
    after: holdsOf(engine),
    shm: readdirSync('/dev/shm').filter((name) => !shm.has(name)),
  };
}

/** KiB that the memory of the last marks lies above that of the first ones, when everything was warm. */
export function growth(marks: readonly Holds[]): number {
  const least = (from: number, to: number) => Math.min(...marks.slice(from, to).map(({ memory }) => memory));
  return least(7, 10) - least(2, 5);
}
