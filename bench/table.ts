import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchCase, CASES, type Outcome } from './case.ts';
import type { BenchOptions } from './options.ts';
import { DEFAULTS, spawnJob } from './run-job.ts';
import { startSink } from './sink.ts';
import { median, spread } from './statistics.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Image bytes are whole chunks, so that every case ends evenly. */
const STEP = DEFAULTS.chunkBytes;
/** What the ratios in the last columns compare with. */
const OPPONENT = 'lib-storage-default';

interface Sample extends Outcome {
  readonly bytes: number;
  /** The sink's share of the same work, seconds. */
  readonly sinkCpuSeconds: number;
}

interface Row {
  readonly benchCase: BenchCase;
  readonly samples: Sample[];
}

const sizeOf = (benchCase: BenchCase, bytes: number): number =>
  Math.max(2, Math.round((bytes * benchCase.share) / STEP)) * STEP;

const rate = ({ bytes, seconds }: Sample): number => bytes / GIB / seconds;
const cost = ({ bytes, cpuSeconds }: Sample): number => cpuSeconds / (bytes / GIB);

async function measure(benchCase: BenchCase, options: BenchOptions): Promise<Sample> {
  const { work, data } = benchCase;
  const bytes = sizeOf(benchCase, options.bytes);
  const directory = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const sink = await startSink();
  try {
    const job = { ...DEFAULTS, work, data, bytes, directory, endpoint: sink.endpoint };
    const outcome = await spawnJob(job, options.profile).outcome;
    return { ...outcome, bytes, sinkCpuSeconds: (await sink.stats()).cpu_seconds };
  } finally {
    await sink.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

const times = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(2)}×` : '');

function cells({ benchCase, samples }: Row, first: Row, opponent: Row | undefined): string[] {
  const speed = median(samples.map(rate));
  const cpu = median(samples.map(cost));
  const against = (other: Row | undefined): string[] => {
    if (other === undefined) return ['', ''];
    return [times(speed / median(other.samples.map(rate))), times(cpu / median(other.samples.map(cost)))];
  };
  const [{ bytes, sinkCpuSeconds }] = samples as [Sample];
  const shrunk = median(samples.map((sample) => sample.bytes / sample.storedBytes));
  return [
    benchCase.title,
    `${bytes / GIB}`,
    spread(samples.map(rate)),
    spread(samples.map(cost)),
    sinkCpuSeconds < 0.05 ? '' : (median(samples.map((sample) => sample.sinkCpuSeconds)) / (bytes / GIB)).toFixed(2),
    `${Math.round(median(samples.map(({ peakRss }) => peakRss)) / MIB)}`,
    shrunk > 1.01 ? shrunk.toFixed(2) : '',
    ...against(first),
    ...against(opponent),
  ];
}

const HEADINGS = [
  'case',
  'GiB',
  'GiB/s',
  'CPU-s/GiB',
  'sink CPU-s/GiB',
  'peak RSS, MiB',
  'LZ4 ratio',
  'speed / first',
  'CPU / first',
  'speed / lib-storage',
  'CPU / lib-storage',
];

/** Run the cases in turns, A B C A B C, and put them into a Markdown table. */
export async function measureTable(options: BenchOptions, say: (text: string) => void): Promise<string> {
  const rows = CASES.filter(({ name }) => name.includes(options.filter)).map(
    (benchCase): Row => ({ benchCase, samples: [] }),
  );
  const [first] = rows;
  if (first === undefined) throw new Error(`no case is named like ${options.filter}`);
  for (let round = 1; round <= options.runs; round += 1) {
    for (const { benchCase, samples } of rows) {
      const sample = await measure(benchCase, options);
      samples.push(sample);
      const figures = `${rate(sample).toFixed(2)} GiB/s, ${cost(sample).toFixed(2)} CPU-s/GiB`;
      say(`${round}/${options.runs} ${benchCase.name}: ${figures}, ${Math.round(sample.peakRss / MIB)} MiB`);
    }
  }
  const opponent = rows.find(({ benchCase }) => benchCase.name === OPPONENT);
  const hasher = rows.flatMap(({ samples }) => samples.flatMap((sample) => sample.hasher ?? []))[0];
  const lines = [HEADINGS, HEADINGS.map(() => '---'), ...rows.map((row) => cells(row, first, opponent))];
  const table = lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
  return hasher === undefined ? table : `${table}\n\nSHA-256 by: ${hasher}.`;
}
