import { cpus, release, totalmem } from 'node:os';

/** What the figures depend on. No names of hosts or people. */
export function describeMachine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} CPUs (${first?.model ?? 'unknown'}), ${memory} GiB, Linux ${release()}, Node ${process.version}`;
}
