import { COMPRESSIONS, type Compression } from '../src/config/compression.ts';
import type { ImageWork } from './case.ts';
import { DEFAULTS, spawnJob } from './run-job.ts';
import { startSink } from './sink.ts';
import type { DataKind } from './source.ts';
import { median, spread } from './statistics.ts';

const GIB = 2 ** 30;

/** The least that `auto` may reach of the better one of the others. */
const WANTED = 0.95;

/** Twice what is under way: enough to find out how the sink is. */
const WARM_CHUNKS = 16;

interface Place {
  readonly title: string;
  readonly sink: readonly string[];
}

const PLACES: readonly Place[] = [
  { title: 'any rate', sink: [] },
  { title: '400 MB/s', sink: ['--rate', String(400e6)] },
  { title: '100 MB/s', sink: ['--rate', String(100e6)] },
];

const DATA: readonly { readonly kind: DataKind; readonly title: string }[] = [
  { kind: 'text', title: 'text' },
  { kind: 'tar', title: 'tar of files' },
  { kind: 'random', title: 'random' },
];

/** Of one GiB of the image. */
interface Sample {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly ratio: number;
}

async function measure(place: Place, data: DataKind, compression: Compression, bytes: number): Promise<Sample> {
  const sink = await startSink(place.sink);
  try {
    const work: ImageWork = {
      kind: 'image',
      store: 's3',
      wireIntegrity: 'none',
      warm: WARM_CHUNKS,
      compression,
    };
    const { seconds, cpuSeconds, storedBytes } = await spawnJob({
      ...DEFAULTS,
      work,
      data,
      bytes,
      directory: '',
      endpoint: sink.endpoint,
    }).outcome;
    return { seconds: (seconds * GIB) / bytes, cpuSeconds: (cpuSeconds * GIB) / bytes, ratio: bytes / storedBytes };
  } finally {
    await sink.stop();
  }
}

const HEADINGS = [
  'sink',
  'data',
  'compression',
  'GiB/s',
  'CPU-s/GiB',
  'ratio',
  'speed / better',
  'CPU / none',
  'wanted',
];

type Samples = Readonly<Record<Compression, Sample[]>>;

/** Of the same rounds. */
const ratioTo = (of: readonly Sample[], to: (round: number) => number, value: (sample: Sample) => number): number =>
  median(of.map((sample, round) => value(sample) / to(round)));

function cells(
  place: Place,
  title: string,
  compression: Compression,
  samples: Samples,
): { cells: string[]; good: boolean } {
  const own = samples[compression];
  const seconds = (one: Compression, round: number): number => samples[one][round]?.seconds ?? Number.NaN;
  const better = (round: number): number => Math.min(seconds('none', round), seconds('lz4', round));
  const speed = 1 / ratioTo(own, better, (sample) => sample.seconds);
  const cpu = ratioTo(
    own,
    (round) => samples.none[round]?.cpuSeconds ?? Number.NaN,
    (sample) => sample.cpuSeconds,
  );
  const good = compression !== 'auto' || speed >= WANTED;
  return {
    cells: [
      place.title,
      title,
      compression,
      spread(own.map((sample) => 1 / sample.seconds)),
      spread(own.map((sample) => sample.cpuSeconds)),
      median(own.map(({ ratio }) => ratio)).toFixed(2),
      `${speed.toFixed(2)}×`,
      `${cpu.toFixed(2)}×`,
      compression === 'auto' ? `≥ ${WANTED}×: ${good ? 'reached' : 'not reached'}` : '',
    ],
    good,
  };
}

/**
 * The same image uncompressed, compressed and with `auto`, in turns.
 *
 * @param bytes of an image at full speed.
 * @param filter only places and data whose names hold it, as `400 MB/s, text`.
 */
export async function measureCompression(
  bytes: number,
  rounds: number,
  filter: string,
  say: (text: string) => void,
): Promise<{ readonly markdown: string; readonly good: boolean }> {
  const lines: string[][] = [];
  let good = true;
  for (const place of PLACES) {
    for (const { kind, title } of DATA.filter((one) => `${place.title}, ${one.title}`.includes(filter))) {
      const samples: Samples = { none: [], lz4: [], auto: [] };
      for (let round = 1; round <= rounds; round += 1) {
        // Who comes first finds another machine than who comes last.
        for (const compression of round % 2 === 1 ? COMPRESSIONS : COMPRESSIONS.toReversed()) {
          const sample = await measure(place, kind, compression, bytes);
          samples[compression].push(sample);
          const figures = `${(1 / sample.seconds).toFixed(3)} GiB/s, ${sample.cpuSeconds.toFixed(2)} CPU-s/GiB, ratio ${sample.ratio.toFixed(2)}`;
          say(`${round}/${rounds} ${place.title}, ${title}, ${compression}: ${figures}`);
        }
      }
      for (const compression of COMPRESSIONS) {
        const line = cells(place, title, compression, samples);
        lines.push(line.cells);
        good &&= line.good;
      }
    }
  }
  const table = [HEADINGS, HEADINGS.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
  return { markdown: table, good };
}
