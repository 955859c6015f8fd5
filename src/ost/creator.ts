import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Peer } from '../bridge/bridge.ts';

/** Which machine this is, and which of its lives. */
export interface Machine {
  readonly id: string;
  readonly boot: string;
}

/** A digest of a system file, '' when there is none. The machine's own name for itself is nobody else's business. */
function fingerprint(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
  } catch {
    return '';
  }
}

export function thisMachine(): Machine {
  return { id: fingerprint('/etc/machine-id'), boot: fingerprint('/proc/sys/kernel/random/boot_id') };
}

/** When a process began, in ticks since the machine did; '' when there is no such process. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything; the start is the 22nd field.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/**
 * Who writes an image: session and handle, and the process behind them, so that another engine on this machine can
 * tell whether it still lives. The same for every connection of a session.
 */
export function creatorOf(session: string, process: string): (handle: bigint | string) => string {
  return (handle) => `${session}:${handle}:${process}`;
}

/** A host process, as creators name it. */
export function processOfPeer({ pid }: Peer, machine: Machine): string {
  return `${machine.id}:${machine.boot}:${pid}:${startOf(pid)}`;
}

/** What is known here of a process that a creator names: nothing of those of other machines, and of those that this engine cannot see. */
export function fateOf(process: string, machine: Machine): 'lives' | 'gone' | 'unknown' {
  const [id, boot, pid, start] = process.split(':');
  if (!id || !boot || !pid || !start || id !== machine.id || machine.boot === '') return 'unknown';
  // A pid of 0 is a process that this engine cannot see.
  if (!/^[1-9][0-9]{0,9}$/.test(pid)) return 'unknown';
  return boot === machine.boot && startOf(Number(pid)) === start ? 'lives' : 'gone';
}
