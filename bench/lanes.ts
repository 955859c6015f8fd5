import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { besideEngine, LSU } from './engine-process.ts';
import { runHost, sizeArguments } from './ost-host.ts';
import { withStore } from './reading.ts';
import type { SinkTls } from './sink.ts';
import { spread } from './statistics.ts';
import { certificates } from './transfer.ts';

interface LanesCase {
  readonly place: 'http' | 'tls';
  readonly streams: number;
  /** 0: images are worked on in the engine's main thread. */
  readonly lanes: number;
}

const CASES: readonly LanesCase[] = (['http', 'tls'] as const).flatMap((place) =>
  [1, 4].flatMap((streams) => [0, 1, 2].map((lanes) => ({ place, streams, lanes }))),
);

/** Times in seconds per GiB. */
interface Sample {
  readonly gibPerSecond: number;
  readonly host: number;
  readonly engine: number;
  readonly sink: number;
  /** Of these, the main loop, and all lanes' loops together. */
  readonly mainLoop: number;
  readonly laneLoops: number;
  /** How late loops were at the 99th percentile, milliseconds. */
  readonly mainDelay: number;
  readonly laneDelay: number;
}

function measure({ place: where, streams, lanes }: LanesCase, bytes: number, tls: SinkTls): Promise<Sample> {
  return withStore(where, tls, async (store, sink) => {
    const { result, usage } = await besideEngine({ ...store, lanes }, (place) =>
      runHost(['--lsu', LSU, ...sizeArguments(streams, bytes)], place),
    );
    const { gib, gibPerSecond, host } = result;
    return {
      gibPerSecond,
      host,
      engine: usage.cpuSeconds / gib,
      sink: ((await sink?.stats())?.cpu_seconds ?? 0) / gib,
      mainLoop: usage.loopSeconds / gib,
      laneLoops: usage.laneSeconds / gib,
      mainDelay: usage.loopDelayP99,
      laneDelay: usage.laneDelayP99,
    };
  });
}

const HEADINGS = [
  'case',
  'GiB/s',
  'hosts CPU-s/GiB',
  'engine CPU-s/GiB',
  'sink CPU-s/GiB',
  'main loop s/GiB',
  'lanes’ loops s/GiB',
  'main loop late p99, ms',
  'lane late p99, ms',
];

function titleOf({ place, streams, lanes }: LanesCase): string {
  const where = place === 'tls' ? 'TLS' : 'HTTP';
  const threads = lanes === 0 ? 'main thread' : `${lanes} lane${lanes === 1 ? '' : 's'}`;
  return `${where}, ${streams} stream${streams === 1 ? '' : 's'}, ${threads}`;
}

/** The whole way through plugin and engine into the sink, by the number of the engine's lanes, in turns. */
export async function measureLanes(bytes: number, runs: number, say: (text: string) => void): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const rows = CASES.map((one) => ({ one, samples: [] as Sample[] }));
  try {
    const tls = await certificates(folder);
    for (let round = 1; round <= runs; round += 1) {
      for (const { one, samples } of rows) {
        const sample = await measure(one, bytes, tls);
        samples.push(sample);
        const { gibPerSecond, engine } = sample;
        say(
          `${round}/${runs} ${titleOf(one)}: ${gibPerSecond.toFixed(2)} GiB/s, engine ${engine.toFixed(2)} CPU-s/GiB`,
        );
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const lines = rows.map(({ one, samples }) => {
    const of = (figure: (sample: Sample) => number, digits = 2): string => spread(samples.map(figure), digits);
    const ofLanes = (figure: (sample: Sample) => number, digits = 2): string =>
      one.lanes === 0 ? '' : of(figure, digits);
    return [
      titleOf(one),
      of(({ gibPerSecond }) => gibPerSecond),
      of(({ host }) => host),
      of(({ engine }) => engine),
      of(({ sink }) => sink),
      of(({ mainLoop }) => mainLoop),
      ofLanes(({ laneLoops }) => laneLoops),
      of(({ mainDelay }) => mainDelay, 1),
      ofLanes(({ laneDelay }) => laneDelay, 1),
    ];
  });
  return [HEADINGS, HEADINGS.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
