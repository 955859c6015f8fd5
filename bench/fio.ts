import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measured } from './peers.ts';

const GIB = 2 ** 30;

/** What fio reached, as fast and as cheap as a disk can be used: it does nothing with the bytes. */
export interface FioSample {
  readonly gibPerSecond: number;
  /** CPU-seconds per GiB. */
  readonly cost: number;
}

type FioReport = { readonly jobs: readonly { readonly job_runtime: number }[] };

/** Write a file, and read it again, with four requests of 16 MiB in flight past the page cache. What is written is durable before the clock stops. */
export async function runFio(bytes: number): Promise<{ readonly write: FioSample; readonly read: FioSample }> {
  const folder = await mkdtemp(join(tmpdir(), 'vast-ost-bench.'));
  const run = async (...args: string[]): Promise<FioSample> => {
    const report = join(folder, 'report');
    const always = ['--name=bench', `--directory=${folder}`, `--size=${bytes}`, '--bs=16M', '--direct=1'];
    const queue = ['--ioengine=libaio', '--iodepth=4', '--output-format=json', `--output=${report}`];
    const { cpuSeconds } = await measured(['fio', ...always, ...queue, ...args], process.env);
    const [job] = (JSON.parse(await readFile(report, 'utf8')) as FioReport).jobs;
    // Not of the process, which has more to do before and after.
    const seconds = (job?.job_runtime ?? Number.NaN) / 1000;
    return { gibPerSecond: bytes / GIB / seconds, cost: (cpuSeconds * GIB) / bytes };
  };
  try {
    return { write: await run('--rw=write', '--end_fsync=1'), read: await run('--rw=read') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
