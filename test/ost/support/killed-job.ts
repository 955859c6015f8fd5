import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { randomBytes, textBytes } from '../../image/support.ts';
import { type Ended, ostHost } from './ost-host.ts';
import { Served, type StoreKind } from './served.ts';

const MIB = 1024 * 1024;
/** 1 MiB of journal regions each is room for many records; slots are few, so that writes wait for storage. */
const PLUGIN = 'slot_mib = 1\nslots = 16';

export interface JobOptions {
  readonly kind: StoreKind;
  readonly compression: 'none' | 'lz4';
}

/** An engine that is killed again and again while one job of a real host goes on. */
export class KilledJob {
  readonly served: Served;
  readonly #input: string;
  readonly #output: string;
  /** What the dead engines said last: where they were killed. */
  readonly deaths: string[] = [];

  private constructor(served: Served) {
    this.served = served;
    this.#input = join(served.folder, 'input');
    this.#output = join(served.folder, 'output');
  }

  /** @param bytes of the input; some of it compresses well. */
  static async prepare(t: Test, { kind, compression }: JobOptions, bytes = 21 * MIB + 512): Promise<KilledJob> {
    const part = kind === 'simulator' ? 5 : 1;
    const performance = `chunk_size_mb = 1\npart_size_mb = ${part}\ncompression = ${compression}`;
    const job = new KilledJob(await Served.prepare(t, { kind, performance }));
    const third = Math.floor(bytes / 3);
    const pieces = [randomBytes(third), textBytes(third), randomBytes(bytes - 2 * third, 'more')];
    writeFileSync(job.#input, Buffer.concat(pieces));
    return job;
  }

  /** Back up; engines die at the points, one after the other, and the last one lives. */
  backup(image: string, points: readonly string[]): Promise<Ended> {
    const args = ['backup', ...this.#args(image), '--file', this.#input, '--pattern', 'swap'];
    return this.#run(args, points);
  }

  /** Restore in the same way, and compare. */
  async restore(image: string, points: readonly string[]): Promise<Ended & { readonly same: boolean }> {
    const ended = await this.#run(['restore', ...this.#args(image), '--file', this.#output], points);
    return { ...ended, same: readFileSync(this.#output).equals(readFileSync(this.#input)) };
  }

  #args(image: string): string[] {
    return ['--lsu', 'lsu-1', '--image', image, '--streams', '2', '--stripe', '2M', '--buffer', '64K'];
  }

  async #run(args: readonly string[], points: readonly string[]): Promise<Ended> {
    const { served } = this;
    const left = [...points];
    await served.kill();
    await this.#next(left);
    let ended: Ended | undefined;
    const host = ostHost(served, args, { plugin: PLUGIN }).then((result) => {
      ended = result;
    });
    for (;;) {
      await Promise.race([host, served.closed]);
      if (ended !== undefined) return ended;
      const last = /^planned kill at (.*)$/m.exec(served.stderr)?.[1];
      if (last === undefined) throw new Error(`the engine ended: ${served.stderr}`);
      this.deaths.push(last);
      await this.#next(left);
    }
  }

  async #next(points: string[]): Promise<void> {
    const point = points.shift();
    this.served.chaos(point === undefined ? undefined : `1,kill-at=${point}`);
    await this.served.start().catch(async (error: unknown) => {
      // The host was quicker than we are.
      await this.served.closed;
      if (!this.served.stderr.includes('planned kill')) throw error;
    });
  }
}

/** Where engines die while an image is written, and while it is read back. */
export interface Deaths {
  readonly writing: readonly string[];
  readonly reading: readonly string[];
}

/** One backup and its restore, by engines that all die but for the last one of each: no error, every byte, and every engine died where it was to. */
export async function checkKilled(t: Test, options: JobOptions, { writing, reading }: Deaths): Promise<KilledJob> {
  const job = await KilledJob.prepare(t, options);
  const { code, said } = await job.backup('killed', writing);
  t.equal(code, 0, said);
  const restored = await job.restore('killed', reading);
  t.equal(restored.code, 0, restored.said);
  t.ok(restored.same, 'bit for bit');
  const wanted = [...writing, ...reading].map((point) => point.replace(/#.*/, ''));
  const died = job.deaths.map((death, nth) => (death.startsWith(wanted[nth] ?? '?') ? wanted[nth] : death));
  t.strictSame(died, wanted, 'where they died');
  return job;
}
