import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority } from '../src/sim/tls/authority.ts';
import { Command } from './command.ts';
import { besideEngine, LSU } from './engine-process.ts';
import { runHost, sizeArguments } from './ost-host.ts';
import { isInstalled, PEERS, type Peer, runPeer, versionOf } from './peers.ts';
import { DEFAULTS, spawnJob } from './run-job.ts';
import { type Sink, type SinkTls, startSink } from './sink.ts';
import { median, spread } from './statistics.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const CPUS = 2;

type Way =
  | { readonly by: 'plugin'; readonly streams: number; readonly integrity: 'none' | 'auto' }
  | { readonly by: 'cli' | 'lib-storage' }
  | { readonly by: 'peer'; readonly peer: string };

interface TransferCase {
  readonly name: string;
  readonly title: string;
  readonly tls: boolean;
  readonly way: Way;
  /** Bytes as a share of the size given to the run. */
  readonly share: number;
}

const plugin = (tls: boolean, streams: number, integrity: 'none' | 'auto'): TransferCase => ({
  name: `${tls ? 'tls' : 'http'}-plugin-${streams}-${integrity}`,
  title: `plugin → engine, ${streams} stream${streams === 1 ? '' : 's'}${integrity === 'auto' ? ', Content-MD5' : ''}`,
  tls,
  way: { by: 'plugin', streams, integrity },
  // More streams use more slots for the first time, which costs once.
  share: streams === 1 ? 2 : 4,
});
const peer = (tls: boolean, name: string, share = 0.5): TransferCase => ({
  name: `${tls ? 'tls' : 'http'}-${name}`,
  title: PEERS[name]?.title ?? name,
  tls,
  way: { by: 'peer', peer: name },
  share,
});
const own = (tls: boolean, by: 'cli' | 'lib-storage', title: string): TransferCase => ({
  name: `${tls ? 'tls' : 'http'}-${by}`,
  title,
  tls,
  way: { by },
  share: by === 'cli' ? 1 : 0.5,
});

/** Of each transport the C program comes first: others are compared with it. */
export const CASES: readonly TransferCase[] = [
  peer(false, 'c', 2),
  plugin(false, 1, 'none'),
  plugin(false, 4, 'none'),
  plugin(false, 32, 'none'),
  plugin(false, 64, 'none'),
  plugin(false, 1, 'auto'),
  own(false, 'cli', 'vast-ost backup FILE'),
  own(false, 'lib-storage', 'lib-storage Upload'),
  peer(false, 'aws'),
  peer(false, 'aws-other'),
  peer(false, 'rclone'),
  peer(false, 'rclone-64'),
  peer(false, 's3cmd', 0.25),
  peer(false, 'restic', 0.25),
  peer(true, 'c', 2),
  plugin(true, 1, 'none'),
  plugin(true, 4, 'none'),
  own(true, 'cli', 'vast-ost backup FILE'),
  peer(true, 'aws'),
  peer(true, 'aws-other'),
  peer(true, 'rclone'),
];

interface Sample {
  readonly gibPerSecond: number;
  /** CPU-seconds per GiB of whoever sends: host and engine, or the one program. */
  readonly client: number;
  readonly sink: number;
  /** Of the engine or the program, bytes. */
  readonly peakRss: number;
  /** Of the engine, milliseconds. */
  readonly loopDelay?: number;
}

interface Row {
  readonly transfer: TransferCase;
  readonly bytes: number;
  readonly samples: Sample[];
}

/** What all cases use. */
interface Common {
  readonly tls: SinkTls;
  /** Incompressible, and in memory. */
  readonly fileOf: (bytes: number) => Promise<string>;
}

/** Certificates of an authority that lives as long as the run. */
export async function certificates(folder: string): Promise<SinkTls> {
  const authority = await Authority.open(folder);
  const { cert, key } = await authority.issueServer(['localhost', '127.0.0.1']);
  const serverFile = join(folder, 'server.pem');
  await writeFile(serverFile, `${cert}\n${key}\n`, { mode: 0o600 });
  return { serverFile, caFile: authority.certFile };
}

async function makeFile(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'w');
  try {
    for (let at = 0; at < bytes; at += 16 * MIB) await file.write(randomBytes(16 * MIB));
  } finally {
    await file.close();
  }
  return path;
}

async function throughPlugin(way: Way & { by: 'plugin' }, bytes: number, sink: Sink, caFile?: string) {
  const store = { url: `s3:${sink.endpoint}`, caFile, wireIntegrity: way.integrity };
  const { result, usage } = await besideEngine(store, (place) =>
    runHost(['--lsu', LSU, ...sizeArguments(way.streams, bytes)], place),
  );
  // What warms the slots, before the clock of the host runs, is the engine's work too.
  const engine = usage.cpuSeconds / ((await sink.stats()).bytes_in / GIB);
  const { peakRss, loopDelayP99: loopDelay } = usage;
  return { gibPerSecond: result.gibPerSecond, client: result.host + engine, peakRss, loopDelay };
}

async function transfer(
  { way, tls, name }: TransferCase,
  bytes: number,
  sink: Sink,
  common: Common,
): Promise<Omit<Sample, 'sink'>> {
  const caFile = tls ? common.tls.caFile : undefined;
  if (way.by === 'plugin') return throughPlugin(way, bytes, sink, caFile);
  if (way.by === 'lib-storage') {
    const work = { kind: 'lib-storage', mode: 'default' } as const;
    const job = { ...DEFAULTS, work, data: 'random', bytes, directory: tmpdir(), endpoint: sink.endpoint } as const;
    const { seconds, cpuSeconds, peakRss } = await spawnJob(job).outcome;
    return { gibPerSecond: bytes / GIB / seconds, client: cpuSeconds / (bytes / GIB), peakRss };
  }
  const found = way.by === 'peer' ? PEERS[way.peer] : undefined;
  const file = found?.program === 'build/bench-peer' ? '' : await common.fileOf(bytes);
  const taken =
    found === undefined
      ? await (await Command.create(`${file}.conf`, sink, caFile)).backup(file)
      : await runPeer(found, { sink, bytes, caFile, file });
  if (taken.seconds === 0) throw new Error(`${name} took no time`);
  return {
    gibPerSecond: bytes / GIB / taken.seconds,
    client: taken.cpuSeconds / (bytes / GIB),
    peakRss: taken.peakRss,
  };
}

async function measure({ transfer: one, bytes }: Row, common: Common): Promise<Sample> {
  // s3cmd believes the ETag of a part only when the store says that it is none.
  const args = one.way.by === 'peer' && one.way.peer === 's3cmd' ? ['--kms'] : [];
  const sink = await startSink(args, undefined, one.tls ? common.tls : undefined);
  try {
    const sample = await transfer(one, bytes, sink, common);
    const { cpu_seconds, bytes_in } = await sink.stats();
    return { ...sample, sink: cpu_seconds / (bytes_in / GIB) };
  } finally {
    await sink.stop();
  }
}

const HEADINGS = [
  'case',
  'GiB',
  'GiB/s',
  'of the CPU bound',
  'CPU-s/GiB',
  'sink CPU-s/GiB',
  'peak RSS, MiB',
  'event loop p99, ms',
  'speed / C',
  'CPU / C',
];

const speedOf = ({ samples }: Row): number => median(samples.map(({ gibPerSecond }) => gibPerSecond));
const costOf = ({ samples }: Row): number => median(samples.map(({ client }) => client));
/** What the machine could carry if every processor did nothing but this work, GiB/s. */
const boundOf = ({ samples }: Row): number => median(samples.map(({ client, sink }) => CPUS / (client + sink)));

function cells(row: Row, rows: readonly Row[]): string[] {
  const { transfer: one, bytes, samples } = row;
  const first = rows.find((other) => other.transfer.tls === one.tls && other.transfer.name.endsWith('-c'));
  const delays = samples.flatMap(({ loopDelay }) => loopDelay ?? []);
  return [
    `${one.tls ? 'TLS' : 'HTTP'}: ${one.title}`,
    `${bytes / GIB}`,
    spread(samples.map(({ gibPerSecond }) => gibPerSecond)),
    (speedOf(row) / boundOf(row)).toFixed(2),
    spread(samples.map(({ client }) => client)),
    median(samples.map(({ sink }) => sink)).toFixed(2),
    `${Math.round(median(samples.map(({ peakRss }) => peakRss)) / MIB)}`,
    delays.length === 0 ? '' : spread(delays, 1),
    first === undefined ? '' : `${(speedOf(row) / speedOf(first)).toFixed(2)}×`,
    first === undefined ? '' : `${(costOf(row) / costOf(first)).toFixed(2)}×`,
  ];
}

/** Run the cases in turns and put them into a Markdown table. */
export async function measureTransfer(
  bytes: number,
  runs: number,
  filter: string,
  say: (text: string) => void,
): Promise<string> {
  const wanted = CASES.filter(({ name }) => name.includes(filter));
  const peerOf = ({ way }: TransferCase): Peer | undefined => (way.by === 'peer' ? PEERS[way.peer] : undefined);
  const installed = wanted.filter((one) => {
    const peer = peerOf(one);
    return peer === undefined || isInstalled(peer);
  });
  const rows = installed.map(
    (one): Row => ({
      transfer: one,
      bytes: Math.max(1, Math.round((bytes * one.share) / (GIB / 2))) * (GIB / 2),
      samples: [],
    }),
  );
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const memory = await mkdtemp('/dev/shm/vast-ost-bench.');
  try {
    const made = new Map<number, Promise<string>>();
    const fileOf = (size: number): Promise<string> => {
      const file = made.get(size) ?? makeFile(join(memory, String(size)), size);
      made.set(size, file);
      return file;
    };
    const common: Common = { tls: await certificates(folder), fileOf };
    for (let round = 1; round <= runs; round += 1) {
      for (const row of rows) {
        const sample = await measure(row, common);
        row.samples.push(sample);
        const figures = `${sample.gibPerSecond.toFixed(2)} GiB/s, ${sample.client.toFixed(2)} CPU-s/GiB`;
        say(`${round}/${runs} ${row.transfer.name}: ${figures}, sink ${sample.sink.toFixed(2)}`);
      }
    }
  } finally {
    await rm(memory, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
  const lines = [HEADINGS, HEADINGS.map(() => '---'), ...rows.map((row) => cells(row, rows))];
  const missing = wanted.filter((one) => !installed.includes(one)).map(({ title }) => title);
  const left = missing.length === 0 ? '' : `\n\nNot installed: ${missing.join(', ')}.`;
  const said = await Promise.all(installed.flatMap((one) => peerOf(one) ?? []).map(versionOf));
  const versions = [...new Set(said.filter((one) => one !== undefined))].join(', ');
  return `${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}\n\nPeers: ${versions || 'none'}.${left}`;
}
