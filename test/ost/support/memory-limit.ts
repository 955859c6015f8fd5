import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

const ROOT = '/sys/fs/cgroup';
/** So little that the next thing which a process does is too much. */
const BYTES = 1024 * 1024;

/**
 * Put a process into a memory cgroup of its own that is too small for it: the kernel kills it when it next takes memory.
 * False where that is not possible.
 */
export function limitMemory(t: Test, pid: number): boolean {
  const first = existsSync(join(ROOT, 'memory/memory.limit_in_bytes'));
  const second = !first && textOf(join(ROOT, 'cgroup.subtree_control')).includes('memory');
  if (!first && !second) return false;
  const group = join(ROOT, first ? 'memory' : '', `vost-test-${process.pid}-${pid}`);
  try {
    mkdirSync(group);
  } catch {
    return false;
  }
  // It is empty when the process has gone.
  t.teardown(() => rmdirSync(group));
  writeFileSync(join(group, first ? 'memory.limit_in_bytes' : 'memory.max'), String(BYTES));
  writeFileSync(join(group, 'cgroup.procs'), String(pid));
  return true;
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
