import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageWork } from './case.ts';
import { DEFAULTS, spawnJob } from './run-job.ts';
import { startSink } from './sink.ts';
import { median, medianInterval, spread } from './statistics.ts';

const GIB = 2 ** 30;

/** The most time that an image with the stage may take, as a share of the same image without it. */
const WANTED = { noop: 1.05, observe: 1.02 } as const;

interface StageCase {
  readonly title: string;
  readonly stage?: NonNullable<ImageWork['stage']>;
}

const STAGES: readonly StageCase[] = [
  { title: 'no stage' },
  { title: 'no stage, again' },
  { title: 'transform that does nothing', stage: 'noop' },
  { title: 'observer', stage: 'observe' },
  { title: 'transform that returns new memory', stage: 'fresh' },
  { title: 'transform that works in place', stage: 'in-place' },
];

/** More than are ever under way, and enough that threads have what they need. */
const WARM_CHUNKS = 32;

const TARGETS: readonly { readonly title: string; readonly work: ImageWork }[] = [
  { title: 'directory, direct I/O', work: { kind: 'image', warm: WARM_CHUNKS, store: 'directory', directIo: true } },
  { title: 'directory, buffered', work: { kind: 'image', warm: WARM_CHUNKS, store: 'directory', directIo: false } },
  { title: 'S3', work: { kind: 'image', warm: WARM_CHUNKS, store: 's3', wireIntegrity: 'none' } },
];

/** Of one GiB of the image. */
interface Sample {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function measure(work: ImageWork, bytes: number): Promise<Sample> {
  const directory = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const sink = await startSink();
  try {
    const job = { ...DEFAULTS, work, data: 'random', bytes, directory, endpoint: sink.endpoint } as const;
    const { seconds, cpuSeconds } = await spawnJob(job).outcome;
    return { seconds: (seconds * GIB) / bytes, cpuSeconds: (cpuSeconds * GIB) / bytes };
  } finally {
    await sink.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Row extends StageCase {
  readonly samples: Sample[];
}

/** By how much the measured values exceed those of the same rounds without a stage, which are run more than once. */
function ratios(row: Row, rows: readonly Row[], of: (sample: Sample) => number): number[] {
  const plain = rows.filter(({ stage }) => stage === undefined);
  return row.samples.map((sample, round) => {
    const others = plain.map(({ samples }) => of(samples[round] as Sample));
    return of(sample) / (others.reduce((sum, value) => sum + value, 0) / others.length);
  });
}

const withInterval = (values: readonly number[]): string =>
  `${median(values).toFixed(3)}× [${medianInterval(values)
    .map((end) => end.toFixed(2))
    .join('-')}]`;

/** Rounds that differ by more than what is asked for cannot say that it was missed. */
function verdict(values: readonly number[], most: number | undefined): string {
  if (most === undefined) return '';
  if (median(values) <= most) return 'reached';
  return medianInterval(values)[0] <= most ? 'not told apart' : 'not reached';
}

const HEADINGS = ['to', 'stage', 'GiB/s', 'CPU-s/GiB', 'time / none', 'CPU / none', 'wanted', 'by CPU', 'by time'];

function cells(target: string, row: Row, rows: readonly Row[]): string[] {
  const time = ratios(row, rows, ({ seconds }) => seconds);
  const cpu = ratios(row, rows, ({ cpuSeconds }) => cpuSeconds);
  const most = wantedOf(row);
  return [
    target,
    row.title,
    spread(row.samples.map(({ seconds }) => 1 / seconds)),
    spread(row.samples.map(({ cpuSeconds }) => cpuSeconds)),
    withInterval(time),
    withInterval(cpu),
    most === undefined ? '' : `≤ ${most}×`,
    verdict(cpu, most),
    verdict(time, most),
  ];
}

const wantedOf = ({ stage }: StageCase): number | undefined =>
  stage === 'noop' || stage === 'observe' ? WANTED[stage] : undefined;

/**
 * What a vendor's stage on threads of its own costs: the same image with and without one, in turns.
 *
 * @param bytes of each image.
 * @param filter only targets and stages whose names hold it, as `S3/noop`; those without a stage always.
 */
export async function measureStageCost(
  bytes: number,
  rounds: number,
  filter: string,
  say: (text: string) => void,
): Promise<{ readonly markdown: string; readonly good: boolean }> {
  const wanted = ({ stage }: StageCase, target: string): boolean =>
    stage === undefined ? `${target}/`.includes(filter.split('/')[0] ?? '') : `${target}/${stage}`.includes(filter);
  const lines: string[][] = [];
  let good = true;
  for (const { title: target, work } of TARGETS) {
    const rows = STAGES.filter((one) => wanted(one, target)).map((one): Row => ({ ...one, samples: [] }));
    for (let round = 1; round <= rounds; round += 1) {
      // Each begins a round in turn: who comes first, or after a long pause, has it easier.
      const start = round % rows.length;
      for (const { title, stage, samples } of [...rows.slice(start), ...rows.slice(0, start)]) {
        const sample = await measure({ ...work, ...(stage ? { stage } : {}) }, bytes);
        samples.push(sample);
        const figures = `${(1 / sample.seconds).toFixed(2)} GiB/s, ${sample.cpuSeconds.toFixed(3)} CPU-s/GiB`;
        say(`${round}/${rounds} ${target}, ${title}: ${figures}`);
      }
    }
    for (const row of rows) {
      lines.push(cells(target, row, rows));
      good &&=
        verdict(
          ratios(row, rows, ({ seconds }) => seconds),
          wantedOf(row),
        ) !== 'not reached';
    }
  }
  const table = [HEADINGS, HEADINGS.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
  return { markdown: table, good };
}
