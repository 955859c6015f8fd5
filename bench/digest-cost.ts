import { besideEngine, LSU } from './engine-process.ts';
import { runHost, sizeArguments } from './ost-host.ts';
import { median, spread } from './statistics.ts';

interface Sample {
  readonly gibPerSecond: number;
  /** CPU-seconds per GiB of host and engine. */
  readonly cost: number;
}

async function backUp(digests: boolean, bytes: number): Promise<Sample> {
  const { result, usage } = await besideEngine({ digests, lanes: 0 }, (place) =>
    runHost(['--lsu', LSU, ...sizeArguments(1, bytes)], place),
  );
  return { gibPerSecond: result.gibPerSecond, cost: result.host + usage.cpuSeconds / result.gib };
}

const HEADINGS = ['directory, 1 stream', 'GiB', 'GiB/s', 'CPU-s/GiB', 'speed / without, same round', 'CPU / without'];

/** The same image into a directory with digests and without, in turns; each goes first in every other round. */
export async function measureDigestCost(bytes: number, runs: number, say: (text: string) => void): Promise<string> {
  const rounds: { readonly on: Sample; readonly off: Sample }[] = [];
  for (let round = 1; round <= runs; round += 1) {
    const first = await backUp(round % 2 === 1, bytes);
    const second = await backUp(round % 2 === 0, bytes);
    const [on, off] = round % 2 === 1 ? [first, second] : [second, first];
    rounds.push({ on, off });
    say(
      `${round}/${runs} directory: ${on.gibPerSecond.toFixed(2)} GiB/s, without digests ${off.gibPerSecond.toFixed(2)}`,
    );
  }
  const line = (title: string, samples: readonly Sample[], ...ratios: string[]): string[] => [
    title,
    `${bytes / 2 ** 30}`,
    spread(samples.map(({ gibPerSecond }) => gibPerSecond)),
    spread(samples.map(({ cost }) => cost)),
    ...ratios,
  ];
  const ratio = (of: (sample: Sample) => number): string =>
    `${median(rounds.map(({ on, off }) => of(on) / of(off))).toFixed(2)}×`;
  const [speed, cost] = [ratio(({ gibPerSecond }) => gibPerSecond), ratio((sample) => sample.cost)];
  const lines = [
    line(
      'digests',
      rounds.map(({ on }) => on),
      speed,
      cost,
    ),
    line(
      'no digests',
      rounds.map(({ off }) => off),
      '',
      '',
    ),
  ];
  return [HEADINGS, HEADINGS.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
