import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** What the figures depend on. No names of hosts or people. */
export function describeMachine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} CPUs (${first?.model ?? 'unknown'}), ${memory} GiB, Linux ${release()}, Node ${process.version}`;
}

/** Watches from now on what the machine's own host took of its processors. Returns the share since then, of 1. */
export function watchWithheld(): () => number {
  const begin = processorTimes();
  return () => {
    const now = processorTimes();
    return (now.withheld - begin.withheld) / Math.max(1, now.all - begin.all);
  };
}

/** Of all processors since the machine started, in ticks (proc(5)): the eighth time of the first line is that of others. */
function processorTimes(): { readonly withheld: number; readonly all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  // What guests had is in the first two times already.
  const times = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { withheld: times[7] ?? 0, all: times.reduce((sum, time) => sum + time, 0) };
}
