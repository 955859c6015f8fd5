import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Sink } from './sink.ts';

/** What a command took from its start to its end. */
export interface Taken {
  readonly seconds: number;
  /** With its own children. */
  readonly cpuSeconds: number;
  /** Bytes. */
  readonly peakRss: number;
}

/** What a peer is to send, and where. */
export interface PeerTask {
  readonly sink: Sink;
  readonly file: string;
  readonly bytes: number;
  readonly caFile: string | undefined;
  /** An empty folder for its settings and caches. */
  readonly folder: string;
}

/** Somebody else's program, as an administrator would call it to back up a file. */
export interface Peer {
  readonly title: string;
  /** Looked for in PATH, unless it holds a slash. */
  readonly program: string;
  /** What has it say its version. */
  readonly version?: readonly string[];
  /** Each is run to its end; only the last is measured. */
  readonly commands: (task: PeerTask) => readonly (readonly string[])[];
}

const S3CMD = ['--access_key=bench', '--secret_key=bench', '--host-bucket=', '--no-progress', '--no-preserve', '-q'];

/** The distribution's, which is the one that administrators have. */
const AWS = '/usr/bin/aws';
const aws = (program: string): Peer['commands'] => {
  return ({ sink, file }) => [
    [program, '--endpoint-url', sink.endpoint, 's3', 'cp', file, 's3://bench-lsu/aws', '--no-progress'],
  ];
};

const rclone = (...options: string[]): Peer['commands'] => {
  return ({ sink, file, caFile }) => [
    [
      ...['rclone', 'copyto', file, ':s3:bench-lsu/rclone', '--s3-provider', 'Other', '--s3-endpoint', sink.endpoint],
      ...['--s3-access-key-id', 'bench', '--s3-secret-access-key', 'bench', '--s3-no-check-bucket', '--config', ''],
      ...(caFile === undefined ? [] : ['--ca-cert', caFile]),
      ...options,
    ],
  ];
};

/** Settings are the programs' defaults, but for `64 MiB`: parts as large and as many at once as ours. */
export const PEERS: Readonly<Record<string, Peer>> = {
  c: {
    title: 'C program, digest',
    program: 'build/bench-peer',
    commands: ({ sink, bytes, caFile }) => [
      ['build/bench-peer', `${sink.port}`, `${bytes}`, '4', 'hash', ...(caFile === undefined ? [] : [caFile])],
    ],
  },
  aws: { title: 'aws s3 cp', program: AWS, version: [AWS, '--version'], commands: aws(AWS) },
  // Where somebody has installed another one.
  'aws-other': {
    title: 'aws s3 cp of PATH, no checksums',
    program: 'aws',
    version: ['aws', '--version'],
    commands: aws('aws'),
  },
  rclone: { title: 'rclone copyto', program: 'rclone', version: ['rclone', 'version'], commands: rclone() },
  'rclone-64': {
    title: 'rclone copyto, 64 MiB',
    program: 'rclone',
    commands: rclone('--s3-chunk-size', '64M', '--s3-upload-concurrency', '4'),
  },
  s3cmd: {
    title: 's3cmd put, 64 MiB',
    program: 's3cmd',
    version: ['s3cmd', '--version'],
    commands: ({ sink, file }) => [
      [
        ...['s3cmd', ...S3CMD, '--no-ssl', `--host=127.0.0.1:${sink.port}`, '--multipart-chunk-size-mb=64'],
        ...['put', file, 's3://bench-lsu/s3cmd'],
      ],
    ],
  },
  restic: {
    title: 'restic backup',
    program: 'restic',
    version: ['restic', 'version'],
    commands: ({ sink, file, folder }) => {
      const common = ['restic', '-q', '--cache-dir', folder, '-r', `s3:${sink.endpoint}/bench-lsu/restic`];
      return [
        [...common, 'init'],
        [...common, 'backup', file],
      ];
    },
  },
};

/** Where the program is; undefined when it is not installed. What another peer has already is not another one. */
function placeOf(program: string): string | undefined {
  if (program.includes('/')) return existsSync(program) ? program : undefined;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

export function isInstalled({ program }: Pick<Peer, 'program'>): boolean {
  const place = placeOf(program);
  const again =
    program === 'aws' && existsSync(AWS) && place !== undefined && realpathSync(place) === realpathSync(AWS);
  return place !== undefined && !again;
}

/** What a peer says of its version, in a few words. */
export async function versionOf({ version: [program, ...args] = [] }: Peer): Promise<string | undefined> {
  if (program === undefined) return undefined;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const [, name, number] = /^(\S+?)[ /](?:version )?(\S+)/.exec(await text(child.stdout)) ?? [];
  return name === undefined ? undefined : `${name} ${number}`;
}

async function execute(command: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const [program, ...args] = command;
  const child = spawn(program ?? '', args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const [, said, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  if (status !== 0) throw new Error(`${command.join(' ')} ended with status ${status}: ${said}`);
}

/** The sink checks no signatures. */
export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' } as const;

/** Run a command, and tell what it took. */
export async function measured(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Taken> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  try {
    const output = join(folder, 'taken');
    await execute(['build/bench-measured', output, ...command], env);
    return JSON.parse(await readFile(output, 'utf8')) as Taken;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Let a peer do its task; rejects with what it said when it fails. */
export async function runPeer(peer: Peer, task: Omit<PeerTask, 'folder'>): Promise<Taken> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    ...CREDENTIALS,
    AWS_DEFAULT_REGION: 'us-east-1',
    // Else newer ones send bodies in chunks, which the sink does not know; it saves a checksum, too.
    AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
    RESTIC_PASSWORD: 'bench',
    ...(task.caFile === undefined || !peer.program.endsWith('aws') ? {} : { AWS_CA_BUNDLE: task.caFile }),
  };
  try {
    const commands = peer.commands({ ...task, folder });
    for (const command of commands.slice(0, -1)) await execute(command, env);
    return await measured(commands.at(-1) ?? [], env);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
