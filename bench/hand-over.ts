import { besideEngine, LSU } from './engine-process.ts';
import { runHost, sizeArguments } from './ost-host.ts';
import { startSink } from './sink.ts';
import { median, spread } from './statistics.ts';

/** Wanted: the plugin's speed as a share of the raw one, and the engine's CPU-seconds per GiB. */
const LEAST_RATIO = 0.8;
const MOST_ENGINE_CPU = 0.05;

interface HandOverCase {
  readonly title: string;
  readonly streams: number;
  /** `raw`: two processes and nothing else; `discard`: plugin and engine; `s3`: the whole way into the sink. */
  readonly kind: 'raw' | 'discard' | 's3';
  /** Bytes as a share of the size given to the run. */
  readonly share: number;
}

const CASES: readonly HandOverCase[] = [
  { title: 'two C processes, 1 stream', streams: 1, kind: 'raw', share: 1 },
  { title: 'plugin → engine, discarded, 1 stream', streams: 1, kind: 'discard', share: 1 },
  { title: 'two C processes, 4 streams', streams: 4, kind: 'raw', share: 1 },
  { title: 'plugin → engine, discarded, 4 streams', streams: 4, kind: 'discard', share: 1 },
  { title: 'plugin → engine → image → S3, 1 stream', streams: 1, kind: 's3', share: 0.25 },
  { title: 'plugin → engine → image → S3, 4 streams', streams: 4, kind: 's3', share: 0.25 },
];

interface Sample {
  readonly gibPerSecond: number;
  /** CPU-seconds per GiB of the host process, of the engine, of the sink. */
  readonly host: number;
  readonly engine: number;
  readonly sink: number;
}

async function measurePlugin({ kind, streams }: HandOverCase, bytes: number): Promise<Sample> {
  const sink = kind === 's3' ? await startSink() : undefined;
  try {
    const store = { discard: kind === 'discard', ...(sink === undefined ? {} : { url: `s3:${sink.endpoint}` }) };
    const { result, usage } = await besideEngine(store, (place) =>
      runHost(['--lsu', LSU, ...sizeArguments(streams, bytes)], place),
    );
    const sinkCpu = sink === undefined ? 0 : (await sink.stats()).cpu_seconds;
    return { ...result, engine: usage.cpuSeconds / result.gib, sink: sinkCpu / result.gib };
  } finally {
    await sink?.stop();
  }
}

async function measure(handOver: HandOverCase, bytes: number): Promise<Sample> {
  if (handOver.kind !== 'raw') return measurePlugin(handOver, bytes);
  return { ...(await runHost(['--raw', ...sizeArguments(handOver.streams, bytes)])), engine: 0, sink: 0 };
}

const HEADINGS = [
  'case',
  'GiB',
  'GiB/s',
  'speed / two processes',
  'hosts CPU-s/GiB',
  'engine CPU-s/GiB',
  'sink CPU-s/GiB',
];

/**
 * Compare the plugin's way through shared memory with the plainest hand-over between two processes, in turns.
 *
 * @param bytes of a case with share 1.
 */
export async function measureHandOver(
  bytes: number,
  runs: number,
  say: (text: string) => void,
): Promise<{ readonly markdown: string; readonly good: boolean }> {
  const rows = CASES.map((handOver) => ({ handOver, size: bytes * handOver.share, samples: [] as Sample[] }));
  for (let round = 1; round <= runs; round += 1) {
    for (const { handOver, size, samples } of rows) {
      const sample = await measure(handOver, size);
      samples.push(sample);
      say(
        `${round}/${runs} ${handOver.title}: ${sample.gibPerSecond.toFixed(2)} GiB/s, engine ${sample.engine.toFixed(3)} CPU-s/GiB`,
      );
    }
  }
  const speed = (samples: readonly Sample[]): number => median(samples.map(({ gibPerSecond }) => gibPerSecond));
  const rawOf = ({ streams }: HandOverCase): number =>
    speed(rows.find(({ handOver }) => handOver.kind === 'raw' && handOver.streams === streams)?.samples ?? []);
  const lines = rows.map(({ handOver, size, samples }) => [
    handOver.title,
    `${size / 2 ** 30}`,
    spread(samples.map(({ gibPerSecond }) => gibPerSecond)),
    `${(speed(samples) / rawOf(handOver)).toFixed(2)}×`,
    spread(
      samples.map(({ host }) => host),
      3,
    ),
    handOver.kind === 'raw'
      ? ''
      : spread(
          samples.map(({ engine }) => engine),
          3,
        ),
    handOver.kind === 's3'
      ? spread(
          samples.map(({ sink }) => sink),
          3,
        )
      : '',
  ]);
  const discarded = rows.filter(({ handOver }) => handOver.kind === 'discard');
  const good = discarded.every(
    ({ handOver, samples }) =>
      speed(samples) >= LEAST_RATIO * rawOf(handOver) && median(samples.map(({ engine }) => engine)) <= MOST_ENGINE_CPU,
  );
  const table = [HEADINGS, HEADINGS.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
  const verdict = `Wanted of the discarded cases: at least ${LEAST_RATIO}× of two C processes with as many streams, at most ${MOST_ENGINE_CPU} CPU-s/GiB of the engine: ${good ? 'reached' : 'missed'}.`;
  return { markdown: `${table}\n\n${verdict}`, good };
}
