import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { besideEngine, LSU } from './engine-process.ts';
import { hostSays } from './ost-host.ts';
import { type Place, withStore } from './reading.ts';
import { median, spread } from './statistics.ts';
import { certificates } from './transfer.ts';

/** Images of each stream. */
const IMAGES = 100;

const CASES: readonly { readonly place: Place; readonly streams: number }[] = [
  { place: 'http', streams: 1 },
  { place: 'http', streams: 16 },
  { place: 'directory', streams: 1 },
  { place: 'directory', streams: 16 },
];

interface Sample {
  readonly imagesPerSecond: number;
  /** CPU-milliseconds of the engine for one image, its deletion included. */
  readonly cost: number;
  /** Requests of the store for one image, its deletion included. */
  readonly requests: number;
}

export async function measureSmall(runs: number, say: (text: string) => void): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const rows = CASES.map((one) => ({ one, samples: [] as Sample[] }));
  try {
    const tls = await certificates(folder);
    for (let round = 1; round <= runs; round += 1) {
      for (const { one, samples } of rows) {
        const images = IMAGES * one.streams;
        const args = ['--images', '--lsu', LSU, '--count', `${IMAGES}`, '--streams', `${one.streams}`];
        const sample = await withStore(one.place, tls, async (store, sink) => {
          const { result, usage } = await besideEngine(store, (engine) => hostSays(args, engine));
          const [, rate] = /([0-9.]+) images\/s/.exec(result) ?? [];
          const requests = sink === undefined ? Number.NaN : (await sink.stats()).requests / images;
          return { imagesPerSecond: Number(rate), cost: (usage.cpuSeconds * 1000) / images, requests };
        });
        samples.push(sample);
        say(`${round}/${runs} small images, ${one.place}, ${one.streams}: ${sample.imagesPerSecond} images/s`);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const headings = ['store', 'streams', 'images/s', 'engine CPU-ms / image', 'requests / image'];
  const lines = rows.map(({ one, samples }) => [
    one.place === 'http' ? 'S3, HTTP' : 'directory',
    `${one.streams}`,
    spread(
      samples.map(({ imagesPerSecond }) => imagesPerSecond),
      0,
    ),
    spread(samples.map(({ cost }) => cost)),
    one.place === 'directory' ? '' : median(samples.map(({ requests }) => requests)).toFixed(1),
  ]);
  return [headings, headings.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
