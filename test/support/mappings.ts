import { readFileSync } from 'node:fs';

export interface Mapping {
  /** What is mapped; '' for anonymous memory. */
  readonly name: string;
  readonly bytes: number;
  /** VmFlags of proc(5): `dd` is memory that no core dump holds. */
  readonly flags: readonly string[];
}

/** What a process has mapped. */
export function mappingsOf(pid: number | 'self'): Mapping[] {
  const text = readFileSync(`/proc/${pid}/smaps`, 'utf8');
  const heads =
    /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)\n(?:(?!VmFlags).*\n)*?Size: +(\d+) kB\n(?:(?!VmFlags).*\n)*VmFlags: (.*)$/gm;
  return [...text.matchAll(heads)].map(([, name = '', size, flags = '']) => ({
    name,
    bytes: Number(size) * 1024,
    flags: flags.trim().split(' '),
  }));
}
