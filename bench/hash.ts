/**
 * What a digest costs: CPU-seconds per GiB and GiB/s of every implementation of the addon, and of
 * node:crypto beside them. Run after `make`: node bench/hash.ts
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { argv, env, execPath, stdout } from 'node:process';
import { promisify } from 'node:util';
import type { Bridge } from '../src/bridge/bridge.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const CHUNK_BYTES = 32 * MIB;
/** Processor time per measurement, after one round that warms up. */
const CPU_SECONDS = 0.4;

interface Figure {
  readonly what: string;
  readonly cpuSecondsPerGiB: number;
  readonly gibPerSecond: number;
}

/** Repeats `round`, which digests `bytes` bytes. */
async function measure(what: string, bytes: number, round: () => unknown): Promise<Figure> {
  await round();
  const cpuStart = process.cpuUsage();
  const start = process.hrtime.bigint();
  let total = 0;
  let cpu = 0;
  while (cpu < CPU_SECONDS) {
    await round();
    total += bytes;
    const { user, system } = process.cpuUsage(cpuStart);
    cpu = (user + system) / 1e6;
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return { what, cpuSecondsPerGiB: cpu / (total / GIB), gibPerSecond: total / GIB / seconds };
}

/** Bytes that are no constant, two chunks of them. */
function sample(bridge: Bridge): Uint8Array[] {
  return [1, 2].map((seed) => {
    const bytes = new Uint8Array(bridge.allocSlab(CHUNK_BYTES));
    for (let i = 0; i < bytes.length; i += 8) bytes[i] = i * seed;
    return bytes;
  });
}

async function measureAddon(): Promise<Figure[]> {
  const { bridge } = await import('../src/bridge/bridge.ts');
  const chunks = sample(bridge);
  const one = chunks.slice(0, 1);
  const slices = chunks.flatMap((chunk) =>
    [0, 1, 2, 3, 4, 5, 6, 7].map((i) => chunk.subarray(i * 4 * MIB).subarray(0, 4 * MIB)),
  );
  const all = chunks.length * CHUNK_BYTES;
  return [
    await measure('leafDigests, 2 chunks of 32 MiB', all, () =>
      Promise.all(chunks.map((it) => bridge.leafDigests(it))),
    ),
    await measure('sha256, one of 32 MiB', CHUNK_BYTES, () => bridge.sha256(one)),
    await measure('sha256, 16 of 4 MiB at once', all, () => Promise.all(slices.map((it) => bridge.sha256([it])))),
    await measure('md5, one of 32 MiB', CHUNK_BYTES, () => bridge.md5(one)),
    await measure('md5, 16 of 4 MiB at once', all, () => Promise.all(slices.map((it) => bridge.md5([it])))),
  ];
}

async function measureNode(): Promise<Figure[]> {
  const { bridge } = await import('../src/bridge/bridge.ts');
  const [chunk = new Uint8Array()] = sample(bridge);
  const digest = (algorithm: string) => () => createHash(algorithm).update(chunk).digest();
  return [
    await measure('createHash(sha256), 32 MiB', chunk.length, digest('sha256')),
    await measure('createHash(md5), 32 MiB', chunk.length, digest('md5')),
    await measure('crypto.subtle SHA-256, 32 MiB', chunk.length, () =>
      crypto.subtle.digest('SHA-256', new Uint8Array(chunk)),
    ),
  ];
}

function print(name: string, figures: readonly Figure[]): void {
  for (const { what, cpuSecondsPerGiB, gibPerSecond } of figures) {
    const columns = [
      name.padEnd(12),
      what.padEnd(34),
      cpuSecondsPerGiB.toFixed(3).padStart(11),
      gibPerSecond.toFixed(2).padStart(8),
    ];
    stdout.write(`${columns.join(' ')}\n`);
  }
}

/** The choice is made once per process, so every implementation gets a process. */
async function measureAll(): Promise<void> {
  stdout.write(`${'hasher'.padEnd(12)} ${'work'.padEnd(34)} CPU-s / GiB    GiB/s\n`);
  for (const name of ['auto', 'avx512', 'avx2', 'shani', 'openssl', 'node:crypto']) {
    const forced = name === 'node:crypto' ? 'auto' : name;
    try {
      const run = promisify(execFile);
      const { stdout: text } = await run(execPath, [argv[1] ?? '', name], { env: { ...env, VAST_OST_SHA256: forced } });
      print(name, JSON.parse(text) as Figure[]);
    } catch (error) {
      if (!String(error).includes('does not run on this processor')) throw error;
      stdout.write(`${name.padEnd(12)} does not run on this processor\n`);
    }
  }
}

if (argv[2] === undefined) await measureAll();
else stdout.write(JSON.stringify(await (argv[2] === 'node:crypto' ? measureNode() : measureAddon())));
