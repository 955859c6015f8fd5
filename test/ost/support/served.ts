import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import { startS3Sim } from '../../../src/sim/s3/s3-sim.ts';
import { openStorage } from '../../../src/vast/open-storage.ts';
import { S3Storage } from '../../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { TEST_LANES } from '../../support/lanes.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
/** What bin/vast-ost tells Node. */
const FLAGS = /exec "\$node" (.*) "\$here/
  .exec(readFileSync(new URL('../../../bin/vast-ost', import.meta.url), 'utf8'))?.[1]
  ?.split(' ') as string[];
export const KEYS = { accessKey: 'SERVEDKEY', secretKey: 'served/secret' };

/** An LSU of the simulator that takes records, but no bytes of images. */
export const FULL_LSU = 'lsu-full';
const IMAGE_DATA = /\/(fragment|held|tail)-/;
const OUT_OF_SPACE = { status: 507, code: 'InsufficientCapacity' } as const;

/** `none`: no section for a storage server at all. */
export type StoreKind = 'directory' | 'simulator' | 'none';

export interface ServedOptions {
  readonly kind?: StoreKind;
  /** Lines of `[server test]` and what follows it, instead of a store that is made for it. */
  readonly server?: string;
  /** Lines of `[performance]`. */
  readonly performance?: string;
  /** Lines of `[engine]`. */
  readonly engine?: string;
  /** Lines of `[server test]`, beside the store that is made for it. */
  readonly serverLines?: string;
  /** Lines of `[general]`. */
  readonly general?: string;
  /** Lines of `[metrics]`; default: off. */
  readonly metrics?: string;
  /** Puts something into the simulator's directory before it starts. */
  readonly fill?: (dir: string) => Promise<void>;
  /** Lines of `[lsu test/lsu-worm]`, an LSU with object lock; simulator only. */
  readonly worm?: string;
  /** Further sections, such as `[lsu test/…]`. */
  readonly sections?: string;
  /** Another engine's storage. */
  readonly storageOf?: Served;
  /** Log into FOLDER/log instead of standard error. */
  readonly logFile?: boolean;
}

/** `vast-ost serve` as a process of its own, on a store with the LSUs lsu-1 and lsu-2; the simulator has {@link FULL_LSU} beside them. */
export class Served {
  readonly folder: string;
  readonly socket: string;
  readonly config: string;
  /** Where the log goes when it goes into a file. */
  readonly log: string;
  stderr = '';
  /** What the simulator was asked, oldest first. */
  readonly requests: string[] = [];
  child: ChildProcess | undefined;
  /** When the last engine has ended and said all that it had to say. */
  closed: Promise<unknown> = Promise.resolve();
  /** The command line that serves; that of the sources unless another build is put here. */
  main = MAIN;
  /** Lines of `[server test]`, and whatever its storage needs beside them. */
  #store = '';
  #general = '';
  #text = '';

  private constructor(folder: string) {
    this.folder = folder;
    this.socket = join(folder, 'ost.sock');
    this.config = join(folder, 'vast-ost.conf');
    this.log = join(folder, 'log');
  }

  static async prepare(t: Test, options: ServedOptions = {}): Promise<Served> {
    const served = new Served(mkdtempSync(join(tmpdir(), 'vost-served-')));
    t.teardown(() => rmSync(served.folder, { recursive: true }));
    served.#store = options.storageOf ? options.storageOf.#store : await served.#storage(t, options);
    served.#general = options.general ?? '';
    served.#text = `
[performance]
${options.performance ?? 'chunk_size_mb = 1\npart_size_mb = 1'}
[engine]
socket = ${served.socket}
state_dir = ${join(served.folder, 'state')}
${TEST_LANES === undefined || options.engine?.includes('lanes') ? '' : `lanes = ${TEST_LANES}`}
${options.engine ?? ''}
[metrics]
${options.metrics ?? 'listen = off'}
${options.logFile ? `[logging]\nlog_file = ${served.log}` : ''}
${served.#store}
${options.sections ?? ''}
`;
    served.chaos(undefined);
    t.teardown(() => served.kill());
    return served;
  }

  /** What the next engines meet: the setting of that name. */
  chaos(text: string | undefined): void {
    const chaos = text === undefined ? '' : `chaos = ${text}`;
    writeFileSync(this.config, `[general]\n${this.#general}\n${chaos}${this.#text}`);
  }

  async #storage(t: Test, options: ServedOptions): Promise<string> {
    if (options.kind === 'none') return '';
    if (options.server !== undefined) return `[server test]\n${options.server}`;
    const store = options.kind === 'simulator' ? await this.#simulator(t, options) : this.#directory();
    return `[server test]\n${options.serverLines ?? ''}\n${store}`;
  }

  #directory(): string {
    for (const lsu of ['lsu-1', 'lsu-2']) mkdirSync(join(this.folder, 'store', lsu), { recursive: true });
    return `store = file:${join(this.folder, 'store')}`;
  }

  async #simulator(t: Test, { fill, worm }: ServedOptions): Promise<string> {
    await fill?.(join(this.folder, 'sim'));
    const sim = await startS3Sim({
      dir: join(this.folder, 'sim'),
      ...KEYS,
      checksumMode: 'reject',
      onRequest: ({ operation, bucket, key }) => {
        this.requests.push(operation);
        return bucket === FULL_LSU && IMAGE_DATA.test(key) ? OUT_OF_SPACE : undefined;
      },
    });
    t.teardown(() => sim.close());
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = KEYS;
    const storage = new S3Storage(new URL(sim.url), { credentials: { accessKeyId, secretAccessKey } });
    for (const lsu of ['lsu-1', 'lsu-2', FULL_LSU]) await storage.createLsu(lsu);
    await storage.close();
    if (worm !== undefined) await makeLockingBucket(sim.url, 'lsu-worm');
    const credentials = join(this.folder, 'credentials');
    writeFileSync(credentials, `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`, {
      mode: 0o600,
    });
    const more = worm === undefined ? '' : `\n[lsu test/lsu-worm]\n${worm}`;
    return `store = s3:${sim.url}\ns3_credentials_file = ${credentials}${more}`;
  }

  /** Start the engine; resolves when it can be connected to, rejects with what it said when it ends before. */
  async start(env: Record<string, string> = {}): Promise<ChildProcess> {
    const child = spawn(process.execPath, [...FLAGS, this.main, '--config', this.config, 'serve'], {
      env: {
        PATH: process.env['PATH'],
        HOME: '/nonexistent',
        NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child = child;
    this.closed = once(child, 'close');
    this.stderr = '';
    child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
    const ready = () => `${this.stderr}${readIfThere(this.log)}`.includes('engine ready');
    while (!(await reachable(this.socket)) || !ready()) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(this.stderr);
      await delay(10);
    }
    return child;
  }

  /** Where its LSUs are, as a URL. */
  get store(): string {
    return /store = (.*)/.exec(this.#store)?.[1] ?? '';
  }

  /** An LSU of its storage, past the engine. */
  async openLsu(t: Test, lsu: string): Promise<ObjectStore> {
    const credentials = { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey };
    const storage = openStorage(this.store, { s3: { credentials } });
    t.teardown(() => storage.close());
    return storage.open(lsu);
  }

  /** SIGKILL, as the kernel's out-of-memory killer would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; resolves to the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'close');
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }
}

async function makeLockingBucket(endpoint: string, Bucket: string): Promise<void> {
  const credentials = { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  client.destroy();
}

/** A file's text, '' when there is none. */
export function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

async function reachable(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
