import { readFile } from 'node:fs/promises';
import type { Compression } from '../src/config/compression.ts';
import type { ImageWork, Outcome } from './case.ts';
import { DEFAULTS, spawnJob } from './run-job.ts';
import { startSink } from './sink.ts';
import type { DataKind } from './source.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** What the process may need beside its payload. The design promises this bound. */
const ALLOWANCE = 200 * MIB;
const SAMPLE_MS = 100;

interface Scenario {
  readonly title: string;
  readonly bytes: number;
  readonly memoryBudget: number;
  readonly data: DataKind;
  readonly compression: Compression;
}

function scenarios(quick: boolean): Scenario[] {
  const scale = quick ? 10 : 1;
  const plain = { bytes: (20 * GIB) / scale, data: 'random', compression: 'none' } as const;
  return [
    { title: 'no compression', memoryBudget: 512 * MIB, ...plain },
    { title: 'no compression', memoryBudget: 256 * MIB, ...plain },
    { title: 'LZ4, text', memoryBudget: 512 * MIB, bytes: (4 * GIB) / scale, data: 'text', compression: 'lz4' },
  ];
}

/** Resident memory of a process as the kernel counts it, bytes; undefined when it has gone. */
async function residentOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const kibibytes = /^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

interface Result {
  readonly scenario: Scenario;
  readonly outcome: Outcome;
  readonly samples: readonly number[];
}

/** A source as fast as memory, a sink that is slow at first: everything that can fill up does. */
async function measure(scenario: Scenario, quick: boolean): Promise<Result> {
  const { bytes, memoryBudget, data, compression } = scenario;
  const slow = (quick ? 32 : 128) * MIB;
  const sink = await startSink(['--rate', String(8 * MIB), '--slow-bytes', String(slow)]);
  const samples: number[] = [];
  try {
    const work: ImageWork = { kind: 'image', store: 's3', compression };
    const child = spawnJob({ ...DEFAULTS, memoryBudget, data, bytes, work, directory: '', endpoint: sink.endpoint });
    const timer = setInterval(async () => {
      const resident = await residentOf(child.pid);
      if (resident !== undefined) samples.push(resident);
    }, SAMPLE_MS);
    const outcome = await child.outcome.finally(() => clearInterval(timer));
    return { scenario, outcome, samples };
  } finally {
    await sink.stop();
  }
}

const mib = (bytes: number): string => String(Math.round(bytes / MIB));

function cells({ scenario, outcome, samples }: Result): string[] {
  const { title, bytes, memoryBudget } = scenario;
  const last = samples.slice(-10, -1).at(-1) ?? 0;
  const excess = outcome.peakRss - memoryBudget;
  return [title, `${bytes / GIB}`, ...[memoryBudget, outcome.peakRss, last, excess].map(mib)];
}

export interface MemoryReport {
  readonly markdown: string;
  /** Every scenario stayed within its budget and the allowance. */
  readonly good: boolean;
}

/** Peak memory against the budget. */
export async function measureMemory(quick: boolean, say: (text: string) => void): Promise<MemoryReport> {
  const rows: string[][] = [];
  let good = true;
  for (const scenario of scenarios(quick)) {
    const result = await measure(scenario, quick);
    const row = cells(result);
    const over = result.outcome.peakRss > scenario.memoryBudget + ALLOWANCE;
    if (over) good = false;
    rows.push([...row, over ? 'over' : 'within']);
    say(`memory, ${scenario.title}: budget ${row[2]} MiB, peak ${row[3]} MiB, excess ${row[5]} MiB`);
  }
  const head = ['case', 'GiB', 'budget, MiB', 'peak RSS, MiB', 'RSS at the end, MiB', 'excess, MiB', 'bound'];
  const lines = [head, head.map(() => '---'), ...rows];
  return { markdown: lines.map((line) => `| ${line.join(' | ')} |`).join('\n'), good };
}
