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
export function creatorOf(session: string, peer: Peer, machine: Machine): (handle: bigint | string) => string {
  const process = `${machine.id}:${machine.boot}:${peer.pid}:${startOf(peer.pid)}`;
  return (handle) => `${session}:${handle}:${process}`;
}

/** Whether the process behind a creator is known to be gone: it ran on this machine and ended, or the machine began anew since. */
export function isGone(creator: string, machine: Machine): boolean {
  const [, , id, boot, pid, start] = creator.split(':');
  if (!id || !boot || !pid || !start || id !== machine.id || machine.boot === '') return false;
  // A pid of 0 is a process that this engine cannot see.
  if (!/^[1-9][0-9]{0,9}$/.test(pid)) return false;
  return boot !== machine.boot || startOf(Number(pid)) !== start;
}
