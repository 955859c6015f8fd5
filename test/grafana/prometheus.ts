import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { request } from 'undici';
import { tempDir } from '../support/temp-dir.ts';

const RULES = fileURLToPath(new URL('../../grafana/prometheus/vast-ost.rules.yml', import.meta.url));

/** One series of an answer. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

interface Answer<T> {
  readonly status: string;
  readonly error?: string;
  readonly data: T;
}

/** A port that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A real Prometheus with our rules, which scrapes engines each second. */
export class Prometheus {
  readonly #origin: string;
  readonly #child: ChildProcess;
  #said = '';

  private constructor(origin: string, child: ChildProcess) {
    this.#origin = origin;
    this.#child = child;
    child.stderr?.on('data', (data: Buffer) => {
      this.#said = `${this.#said}${data.toString()}`.slice(-10_000);
    });
  }

  static async start(t: Test, ...engines: readonly string[]): Promise<Prometheus> {
    const dir = tempDir();
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [RULES],
      scrape_configs: [{ job_name: 'vast-ost', static_configs: [{ targets: engines }] }],
    };
    const file = join(dir, 'prometheus.yml');
    writeFileSync(file, JSON.stringify(config));
    const listen = `127.0.0.1:${await freePort()}`;
    const parameters = [`--config.file=${file}`, `--storage.tsdb.path=${dir}/data`, `--web.listen-address=${listen}`];
    const child = spawn('prometheus', parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
    const prometheus = new Prometheus(`http://${listen}`, child);
    t.teardown(() => prometheus.#end());
    await prometheus.until('vector(1)');
    return prometheus;
  }

  /** What an expression gives now. */
  async query(expr: string): Promise<readonly Sample[]> {
    const { result } = await this.#ask<{ result: readonly Sample[] }>(`query?query=${encodeURIComponent(expr)}`);
    return result;
  }

  /** The first value of what an expression gives, as soon as it gives something. */
  async until(expr: string): Promise<number> {
    for (;;) {
      const [sample] = await this.query(expr).catch(async (error: unknown) => {
        if (this.#child.exitCode !== null) throw new Error(this.#said, { cause: error });
        return [];
      });
      if (sample !== undefined) return Number(sample.value[1]);
      await delay(100);
    }
  }

  /** Our alerting rules, and how they are. */
  async rules(): Promise<readonly { readonly name: string; readonly health: string; readonly state: string }[]> {
    const { groups } = await this.#ask<{ groups: { rules: { name: string; health: string; state: string }[] }[] }>(
      'rules',
    );
    return groups.flatMap(({ rules }) => rules);
  }

  async #ask<T>(path: string): Promise<T> {
    const { body } = await request(`${this.#origin}/api/v1/${path}`);
    const { status, error, data } = (await body.json()) as Answer<T>;
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  }

  async #end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
