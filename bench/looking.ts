import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { besideEngine, type EngineAtWork, LSU } from './engine-process.ts';
import { runHost, sizeArguments } from './ost-host.ts';
import { startSink } from './sink.ts';
import { median, spread } from './statistics.ts';

/** What looking may cost, as a share of the engine's CPU time. */
const MOST_SHARE = 0.01;
const STREAMS = 4;
/** How much of its cost a look shows: so many, on an engine that has done its work and has nothing else to do. */
const LOOKS = 200;
const SECONDS = 10;

interface Mode {
  readonly title: string;
  /** Seconds between two scrapes; undefined: no metrics at all. */
  readonly every?: number;
  /** Somebody has the console open, which shows a picture each second. */
  readonly console?: boolean;
}

const MODES: readonly Mode[] = [
  { title: 'no metrics, no console' },
  { title: 'a scrape every 15 s', every: 15 },
  { title: 'a scrape and a picture of the console every second', every: 1, console: true },
];

interface Sample {
  readonly gibPerSecond: number;
  /** CPU-seconds of the engine, per GiB and per second. */
  readonly perGib: number;
  readonly perSecond: number;
  /** CPU-seconds of an idle second, of one scrape, and of one picture. */
  readonly idle: number;
  readonly scrape: number;
  readonly picture: number;
}

async function scrape(port: number): Promise<void> {
  const { body } = await request(`http://127.0.0.1:${port}/metrics`);
  await body.dump({ limit: Number.POSITIVE_INFINITY });
}

/** Look at the console until the signal fires; `onPicture` hears of each. */
async function watch(port: number, signal: AbortSignal, onPicture: () => void = () => undefined): Promise<void> {
  try {
    const { body } = await request(`http://127.0.0.1:${port}/api/v1/live`, { signal });
    for await (const piece of body.setEncoding('utf8') as AsyncIterable<string>)
      for (let nth = piece.split('\n\n').length - 1; nth > 0; nth -= 1) onPicture();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function scrapeEvery(seconds: number, port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await scrape(port);
    await delay(seconds * 1000, undefined, { signal }).catch(() => undefined);
  }
}

/** What an idle second takes, and looks take beside that. */
async function costOf({ usage: used, port }: EngineAtWork): Promise<Pick<Sample, 'idle' | 'scrape' | 'picture'>> {
  const usage = async (): Promise<number> => (await used()).cpuSeconds;
  const begin = await usage();
  await delay(SECONDS * 1000);
  const before = await usage();
  const idle = (before - begin) / SECONDS;
  if (port === 0) return { idle, scrape: 0, picture: 0 };
  for (let nth = 0; nth < LOOKS; nth += 1) await scrape(port);
  const between = await usage();
  const enough = new AbortController();
  let pictures = 0;
  await watch(port, enough.signal, () => {
    pictures += 1;
    if (pictures === SECONDS) enough.abort();
  });
  const picture = Math.max(0, ((await usage()) - between) / SECONDS - idle);
  return { idle, scrape: (between - before) / LOOKS, picture };
}

async function measure({ every, console }: Mode, bytes: number): Promise<Sample> {
  const sink = await startSink();
  try {
    const store = { url: `s3:${sink.endpoint}`, metrics: every !== undefined };
    const { result } = await besideEngine(store, async (place, engine) => {
      const before = await engine.usage();
      const enough = new AbortController();
      const { signal } = enough;
      const lookers = [
        ...(every === undefined ? [] : [scrapeEvery(every, engine.port, signal)]),
        ...(console ? [watch(engine.port, signal)] : []),
      ];
      const { gib, gibPerSecond } = await runHost(['--lsu', LSU, ...sizeArguments(STREAMS, bytes)], place);
      const perGib = ((await engine.usage()).cpuSeconds - before.cpuSeconds) / gib;
      enough.abort();
      await Promise.all(lookers);
      return { gibPerSecond, perGib, perSecond: perGib * gibPerSecond, ...(await costOf(engine)) };
    });
    return result;
  } finally {
    await sink.stop();
  }
}

const HEADINGS = [
  'case',
  'GiB/s',
  'engine CPU-s/GiB',
  'ms of CPU per idle second',
  'per scrape',
  'per picture',
  'share of the CPU',
];

/**
 * What metrics and console cost an engine under load, in turns: the CPU time of whole runs, and that of the looks themselves.
 *
 * @param bytes of one run.
 */
export async function measureLooking(
  bytes: number,
  runs: number,
  say: (text: string) => void,
): Promise<{ readonly markdown: string; readonly good: boolean }> {
  const rows = MODES.map((mode) => ({ mode, samples: [] as Sample[] }));
  for (let round = 1; round <= runs; round += 1) {
    for (const { mode, samples } of rows) {
      const sample = await measure(mode, bytes);
      samples.push(sample);
      const ms = [sample.scrape, sample.picture].map((seconds) => (seconds * 1000).toFixed(1));
      say(`${round}/${runs} ${mode.title}: engine ${sample.perGib.toFixed(3)} CPU-s/GiB, looks ${ms.join(' and ')} ms`);
    }
  }
  const [off] = rows;
  const idle = (samples: readonly Sample[]): number => median(samples.map((sample) => sample.idle));
  const shareOf = ({ every, console }: Mode, samples: readonly Sample[]): number => {
    if (every === undefined) return 0;
    const always = Math.max(0, idle(samples) - idle(off?.samples ?? []));
    return median(
      samples.map(({ scrape, picture, perSecond }) => (always + scrape / every + (console ? picture : 0)) / perSecond),
    );
  };
  const lines = rows.map(({ mode, samples }) => {
    const ms = (of: (sample: Sample) => number): string => spread(samples.map((sample) => 1000 * of(sample)));
    const looked = mode.every !== undefined;
    return [
      mode.title,
      spread(samples.map(({ gibPerSecond }) => gibPerSecond)),
      spread(
        samples.map(({ perGib }) => perGib),
        3,
      ),
      ms((sample) => sample.idle),
      looked ? ms(({ scrape }) => scrape) : '',
      looked ? ms(({ picture }) => picture) : '',
      !looked ? '' : `${(100 * shareOf(mode, samples)).toFixed(2)} %`,
    ];
  });
  const verdicts = rows
    .filter(({ mode }) => mode.every !== undefined)
    .map(({ mode, samples }) => ({ title: mode.title, good: shareOf(mode, samples) < MOST_SHARE }));
  const table = [HEADINGS, HEADINGS.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
  const verdict = `Wanted: less than ${100 * MOST_SHARE} % of the engine's CPU time under load: ${verdicts.map(({ title, good }) => `${title}: ${good ? 'reached' : 'missed'}`).join('; ')}.`;
  return { markdown: `${table}\n\n${verdict}`, good: verdicts.every(({ good }) => good) };
}
