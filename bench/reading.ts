import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Command, makeStamped } from './command.ts';
import { besideEngine, type EnginePlace, type EngineStore, LSU } from './engine-process.ts';
import { runFio } from './fio.ts';
import { HOST, runHost, sizeArguments } from './ost-host.ts';
import { isInstalled } from './peers.ts';
import { type Sink, type SinkTls, startSink } from './sink.ts';
import { median, spread } from './statistics.ts';
import { certificates } from './transfer.ts';

const GIB = 2 ** 30;
/** Scattered reads of each stream. */
const READS = 500;

/** Where the images are. */
export type Place = 'http' | 'tls' | 'directory';

interface ReadingCase {
  readonly title: string;
  readonly place: Place;
  readonly streams: number;
  /** Of a file, by `vast-ost`; else through plugin and engine. */
  readonly command?: boolean;
  /** So many times the bytes of the others, and therefore in the first round only. */
  readonly share?: number;
}

const CASES: readonly ReadingCase[] = [
  { title: 'HTTP, 1 stream', place: 'http', streams: 1 },
  { title: 'HTTP, 4 streams', place: 'http', streams: 4 },
  { title: 'TLS, 1 stream', place: 'tls', streams: 1 },
  { title: 'directory, 1 stream', place: 'directory', streams: 1 },
  { title: 'HTTP, 1 stream, large image', place: 'http', streams: 1, share: 25 },
  { title: 'HTTP, vast-ost backup and restore', place: 'http', streams: 1, command: true },
  { title: 'TLS, vast-ost backup and restore', place: 'tls', streams: 1, command: true },
];

interface Sample {
  /** GiB/s. */
  readonly backup: number;
  readonly restore: number;
  /** CPU-seconds per GiB of host and engine. */
  readonly backupCost: number;
  readonly restoreCost: number;
  /** CPU-seconds per GiB of the sink: it drops what comes without a copy, and has to copy what goes. */
  readonly sink?: { readonly backup: number; readonly restore: number };
  /** How late the engine's loop was while it restored, 99th percentile, milliseconds. */
  readonly restoreDelay?: number;
  readonly scattered?: {
    readonly readsPerSecond: number;
    /** Requests of the store for one scattered read, and bytes that it sent for one that was asked for. */
    readonly requests: number;
    readonly amplification: number;
  };
}

/** Run `work` with the store that a case wants. */
export async function withStore<T>(
  place: Place,
  tls: SinkTls,
  work: (store: EngineStore, sink: Sink | undefined) => Promise<T>,
): Promise<T> {
  if (place === 'directory') return work({}, undefined);
  const sink = await startSink([], undefined, place === 'tls' ? tls : undefined);
  try {
    const caFile = place === 'tls' ? tls.caFile : undefined;
    return await work({ url: `s3:${sink.endpoint}`, caFile }, sink);
  } finally {
    await sink.stop();
  }
}

/** Run `ost-host bench --read`; `mark` is called when a phase has ended. */
async function readBack(
  place: EnginePlace,
  args: readonly string[],
  mark: (line: string) => Promise<void>,
): Promise<string> {
  const child = spawn(HOST, ['bench', '--read', '--lsu', LSU, '--count', String(READS), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, VAST_OST_PLUGIN_CONF: place.pluginConf },
  });
  const closed = once(child, 'close');
  let said = '';
  for await (const line of createInterface({ input: child.stdout })) {
    await mark(line);
    said += `${line}\n`;
  }
  const [status] = await closed;
  if (status !== 0) throw new Error(`ost-host bench --read ended with status ${status}: ${said}`);
  return said;
}

const RESTORED = /restore: ([0-9.]+) GiB in ([0-9.]+) s, [0-9.]+ GiB\/s, ([0-9.]+) CPU-s\/GiB/;
const SCATTERED = /scattered: ([0-9]+) reads of ([0-9]+) bytes in ([0-9.]+) s/;

async function measure({ place: where, streams }: ReadingCase, bytes: number, tls: SinkTls): Promise<Sample> {
  return withStore(where, tls, async (store, sink) => {
    const size = sizeArguments(streams, bytes);
    const { result } = await besideEngine(store, async (place, engine) => {
      const now = async () => ({
        ...(await engine.usage()),
        ...(sink === undefined ? { requests: 0, bytes_out: 0, cpu_seconds: 0 } : await sink.stats()),
      });
      const before = await now();
      const { gib: sent, gibPerSecond: backup, host: hostBackup } = await runHost(['--lsu', LSU, ...size], place);
      const after = await now();
      const marks: Awaited<ReturnType<typeof now>>[] = [];
      const said = await readBack(place, size, async () => {
        marks.push(await now());
      });
      const [, gib = 'NaN', seconds = 'NaN', host = 'NaN'] = RESTORED.exec(said) ?? [];
      const [, reads = 'NaN', asked = 'NaN', took = 'NaN'] = SCATTERED.exec(said) ?? [];
      const [written, restored, end] = marks;
      if (written === undefined || restored === undefined || end === undefined)
        throw new Error(`too few marks: ${said}`);
      return {
        backup,
        restore: Number(gib) / Number(seconds),
        backupCost: hostBackup + (after.cpuSeconds - before.cpuSeconds) / sent,
        restoreCost: Number(host) + (restored.cpuSeconds - written.cpuSeconds) / Number(gib),
        ...(sink && {
          sink: {
            backup: (after.cpu_seconds - before.cpu_seconds) / sent,
            restore: (restored.cpu_seconds - written.cpu_seconds) / Number(gib),
          },
        }),
        restoreDelay: restored.loopDelayP99,
        scattered: {
          readsPerSecond: Number(reads) / Number(took),
          requests: (end.requests - restored.requests) / Number(reads),
          amplification: (end.bytes_out - restored.bytes_out) / Number(asked),
        },
      };
    });
    return result;
  });
}

/** With what the program takes to start. The file is in memory. */
async function measureCommand({ place }: ReadingCase, bytes: number, tls: SinkTls): Promise<Sample> {
  const memory = await mkdtemp('/dev/shm/vast-ost-bench.');
  try {
    const file = await makeStamped(join(memory, 'file'), bytes);
    return await withStore(place, tls, async ({ caFile }, sink) => {
      const command = await Command.create(`${file}.conf`, sink as Sink, caFile);
      const [backup, restore] = [await command.backup(file), await command.restore()];
      const gib = bytes / GIB;
      return {
        backup: gib / backup.seconds,
        restore: gib / restore.seconds,
        backupCost: backup.cpuSeconds / gib,
        restoreCost: restore.cpuSeconds / gib,
      };
    });
  } finally {
    await rm(memory, { recursive: true, force: true });
  }
}

/** The same directory, by plugin and engine and by fio, in turns. */
function besideFio(ours: readonly Sample[], disk: readonly Awaited<ReturnType<typeof runFio>>[]): string {
  const times = (of: (sample: Sample) => number, than: (one: (typeof disk)[number]) => number): string =>
    `${(median(ours.map(of)) / median(disk.map(than))).toFixed(2)}×`;
  const line = (title: string, way: 'write' | 'read', speed: 'backup' | 'restore', cost: `${typeof speed}Cost`) => [
    title,
    spread(disk.map((one) => one[way].gibPerSecond)),
    spread(disk.map((one) => one[way].cost)),
    times(
      (sample) => sample[speed],
      (one) => one[way].gibPerSecond,
    ),
    times(
      (sample) => sample[cost],
      (one) => one[way].cost,
    ),
  ];
  const headings = ['fio, direct', 'GiB/s', 'CPU-s/GiB', 'directory, 1 stream: speed / fio', 'CPU / fio'];
  const lines = [line('write', 'write', 'backup', 'backupCost'), line('read', 'read', 'restore', 'restoreCost')];
  return [headings, headings.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const HEADINGS = [
  ...['case', 'GiB', 'backup GiB/s', 'CPU-s/GiB'],
  ...['restore GiB/s', 'CPU-s/GiB', 'event loop p99, ms', 'restore / backup'],
  ...['sink, backup: CPU-s/GiB', 'sink, restore: CPU-s/GiB', 'restore / its CPU bound'],
];
const SCATTERED_HEADINGS = ['reads/s', 'requests / read', 'bytes read / asked'];

/** Only cases whose title holds `filter`; fio only when all are. */
export async function measureReading(
  bytes: number,
  runs: number,
  filter: string,
  say: (text: string) => void,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const rows = CASES.filter(({ title }) => title.includes(filter)).map((one) => ({ one, samples: [] as Sample[] }));
  const disk: Awaited<ReturnType<typeof runFio>>[] = [];
  try {
    const tls = await certificates(folder);
    for (let round = 1; round <= runs; round += 1) {
      for (const { one, samples } of rows) {
        if (one.share !== undefined && round > 1) continue;
        const sample = await (one.command ? measureCommand : measure)(one, bytes * (one.share ?? 1), tls);
        samples.push(sample);
        const figures = `${sample.restore.toFixed(2)} GiB/s, ${sample.restoreCost.toFixed(2)} CPU-s/GiB`;
        const reads = sample.scattered ? `, ${sample.scattered.readsPerSecond.toFixed(0)} reads/s` : '';
        say(`${round}/${runs} restore, ${one.title}: ${figures}${reads}`);
      }
      if (filter !== '' || !isInstalled({ program: 'fio' })) continue;
      const sample = await runFio(bytes);
      disk.push(sample);
      say(
        `${round}/${runs} fio: ${sample.write.gibPerSecond.toFixed(2)} and ${sample.read.gibPerSecond.toFixed(2)} GiB/s`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const lines = rows.map(({ one, samples }) => {
    const of = (figure: (sample: Sample) => number, digits = 2) => spread(samples.map(figure), digits);
    const scattered = samples.flatMap((sample) => sample.scattered ?? []);
    const delays = samples.flatMap(({ restoreDelay }) => restoreDelay ?? []);
    const each = (figure: (one: (typeof scattered)[number]) => number, digits = 2) =>
      scattered.length === 0 ? '' : spread(scattered.map(figure), digits);
    const known = one.place !== 'directory';
    const sinks = samples.flatMap(({ sink }) => sink ?? []);
    const bounds = samples.flatMap(({ restore, restoreCost, sink }) =>
      sink === undefined ? [] : (restore * (restoreCost + sink.restore)) / availableParallelism(),
    );
    const any = (values: readonly number[]) => (values.length === 0 ? '' : spread(values));
    return [
      one.title,
      `${(bytes * (one.share ?? 1)) / GIB}`,
      of(({ backup }) => backup),
      of(({ backupCost }) => backupCost),
      of(({ restore }) => restore),
      of(({ restoreCost }) => restoreCost),
      delays.length === 0 ? '' : spread(delays, 1),
      `${median(samples.map(({ backup, restore }) => restore / backup)).toFixed(2)}×`,
      any(sinks.map(({ backup }) => backup)),
      any(sinks.map(({ restore }) => restore)),
      any(bounds),
      each(({ readsPerSecond }) => readsPerSecond, 0),
      known ? each(({ requests }) => requests) : '',
      known ? each(({ amplification }) => amplification) : '',
    ];
  });
  const headings = [...HEADINGS, ...SCATTERED_HEADINGS];
  const table = [headings, headings.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
  const [directory] = rows.filter(({ one }) => one.place === 'directory').map(({ samples }) => samples);
  return `${table}\n\n${disk.length === 0 ? 'Not compared with fio.' : besideFio(directory ?? [], disk)}`;
}
