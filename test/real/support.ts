/** What the tests against real servers share: their settings from the environment, and the built command line. */
import { type ChildProcessWithoutNullStreams, execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { jsonLines, type Outcome, run, start } from '../cli/support.ts';

export const MIB = 2 ** 20;
const SERVERS = fileURLToPath(new URL('.', import.meta.url));

/** A variable that the leg's script must have set. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: run test/real/run`);
  return value;
}

/** The folder of this run: logs, process ids, certificates. */
export const WORK = setting('REAL_WORK');

/** Environment of the command line: keys for S3, nothing that retries could be confused by. */
export function keys(): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: process.env['REAL_KEY'] ?? '', AWS_SECRET_ACCESS_KEY: process.env['REAL_SECRET'] ?? '' };
}

/** Global options for a store; the authority of the test gateways for https. */
export function storeOptions(url: string): string[] {
  return ['--json', '--store', url, ...(url.startsWith('s3:https:') ? ['--s3-ca-file', `${WORK}/tls/ca.pem`] : [])];
}

/** Run `vast-ost` on a store to its end. */
export async function vastOst(url: string, args: readonly string[], env = keys()): Promise<Outcome> {
  return run([...storeOptions(url), ...args], { env });
}

/** What a failed command says of itself. */
export function errorOf(outcome: Outcome): Record<string, unknown> {
  const said = jsonLines(outcome).find((line) => 'error' in line);
  return (said?.['error'] ?? {}) as Record<string, unknown>;
}

/** Entries of an LSU as `list` prints them. */
export async function imagesOf(url: string, lsu: string): Promise<Record<string, unknown>[]> {
  const outcome = await vastOst(url, ['list', lsu]);
  if (outcome.code !== 0) throw new Error(outcome.stderr);
  return jsonLines(outcome);
}

const SMALL = ['--chunk-size-mb', '1', '--part-size-mb', '5', '--parallel-streams', '4'];

/** A block that compresses by half. */
const BLOCK = Buffer.alloc(MIB);
randomFillSync(BLOCK, 0, MIB / 2);

/**
 * A backup through the built command line whose data the test hands over bit by bit. Memory is short, so that
 * the source waits for storage soon.
 */
export class Backup {
  readonly log: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #hash = createHash('sha256');
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  #blocks = 0;
  #ended = false;

  constructor(url: string, lsu: string, image: string, options: readonly string[] = [], env = keys()) {
    this.log = `${WORK}/log/${image}.json`;
    const store = [...storeOptions(url), '--log-file', this.log, '--memory-budget-mb', '64'];
    this.#child = start([...store, 'backup', '--create-lsu', lsu, image, '-', ...SMALL, ...options], env);
    this.#child.stdout.on('data', (data: Buffer) => this.#stdout.push(data));
    this.#child.stderr.on('data', (data: Buffer) => this.#stderr.push(data));
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('exit', () => {
      this.#ended = true;
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Write so many MiB, no faster than they are taken; returns early when the command is over. */
  async feed(mib: number): Promise<this> {
    for (let at = 0; at < mib && !this.#ended; at += 1) {
      const block = Buffer.from(BLOCK);
      block.writeUInt32LE(this.#blocks, 0);
      this.#blocks += 1;
      this.#hash.update(block);
      if (this.#child.stdin.write(block)) continue;
      await this.#taken();
    }
    return this;
  }

  /** A command that ended takes nothing more (EPIPE, and close). */
  async #taken(): Promise<void> {
    const stop = new AbortController();
    const { signal } = stop;
    const events = [once(this.#child.stdin, 'drain', { signal }), once(this.#child, 'close', { signal })];
    await Promise.race(events).catch(() => undefined);
    stop.abort();
    await Promise.allSettled(events);
  }

  /** Until the log says that a request is tried again; false when the command ended without. */
  async retried(): Promise<boolean> {
    for (;;) {
      const text = await readFile(this.log, 'utf8').catch(() => '');
      if (text.includes('"attempt"')) return true;
      if (this.#ended) return false;
      await delay(20);
    }
  }

  async end(): Promise<Outcome & { readonly sha256: string }> {
    this.#child.stdin.end();
    if (!this.#child.stdout.closed) await once(this.#child, 'close');
    return {
      code: this.#child.exitCode,
      stdout: Buffer.concat(this.#stdout),
      stderr: String(Buffer.concat(this.#stderr)),
      sha256: this.#hash.digest('hex'),
    };
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
  }
}

/** SHA-256 of what `restore` gives. */
export async function restoredDigest(url: string, lsu: string, image: string): Promise<string> {
  const child = start([...storeOptions(url), 'restore', lsu, image, '-'], keys());
  child.stdin.end();
  const errors: Buffer[] = [];
  child.stderr.on('data', (data: Buffer) => errors.push(data));
  const closed = once(child, 'close');
  const hash = createHash('sha256');
  for await (const data of child.stdout) hash.update(data as Buffer);
  const [code] = (await closed) as [number | null];
  if (code !== 0) throw new Error(String(Buffer.concat(errors)));
  return hash.digest('hex');
}

const execute = promisify(execFile);

/** Run one of the scripts beside this file. */
export async function script(name: string, ...args: string[]): Promise<string> {
  return (await execute(`${SERVERS}${name}`, args, { maxBuffer: 64 * MIB })).stdout;
}

/** Send a signal to a daemon that a script started. */
export async function signalDaemon(name: string, signal: NodeJS.Signals): Promise<void> {
  process.kill(Number(await readFile(`${WORK}/run/${name}.pid`, 'utf8')), signal);
}
