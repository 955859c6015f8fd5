import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ChaosProxy } from '../../src/chaos/proxy.ts';
import { type ProxyPlan, type ProxyRule, proxyPlan } from '../../src/chaos/proxy-faults.ts';
import { type S3SimOptions, startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import { Authority } from '../../src/sim/tls/authority.ts';
import type { RetryEvent } from '../../src/vast/retry.ts';
import type { S3Options } from '../../src/vast/s3/options.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { tempDir } from './temp-dir.ts';

const KEYS = { accessKey: 'WIREKEY', secretKey: 'wire/secret' };
const CREDENTIALS = { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey };

export type Scheme = 'http' | 'https';

/** A store reached through a faulty line. */
export interface Line {
  readonly store: ObjectStore;
  readonly plan: ProxyPlan;
  readonly retries: RetryEvent[];
  close(): Promise<void>;
}

/** The simulator's S3 with one LSU, to be reached with and without faults on the way. */
export class Wire {
  /** Reached without a proxy between. */
  readonly clean: ObjectStore;
  readonly scheme: Scheme;
  readonly #port: number;
  readonly #caFile: string | undefined;

  private constructor(clean: ObjectStore, scheme: Scheme, port: number, caFile: string | undefined) {
    this.clean = clean;
    this.scheme = scheme;
    this.#port = port;
    this.#caFile = caFile;
  }

  /** Start it; it ends with the test. */
  static async start(t: Test, scheme: Scheme, sim: Partial<S3SimOptions> = {}): Promise<Wire> {
    const dir = tempDir();
    const tlsDir = join(dir, 'tls');
    mkdirSync(tlsDir);
    const authority = scheme === 'https' ? await Authority.open(tlsDir) : undefined;
    const tls = await authority?.issueServer(['127.0.0.1']);
    const server = await startS3Sim({
      dir: join(dir, 's3'),
      checksumMode: 'ignore',
      ...KEYS,
      ...(tls && { tls }),
      ...sim,
    });
    t.teardown(() => server.close());
    const caFile = authority?.certFile;
    const storage = new S3Storage(new URL(server.url), { credentials: CREDENTIALS, ...(caFile && { caFile }) });
    t.teardown(() => storage.close());
    await storage.createLsu('lsu');
    return new Wire(await storage.open('lsu'), scheme, server.port, caFile);
  }

  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.#port}`;
  }

  /** A store whose connections meet these faults, and whose pauses between attempts take no time. */
  async line(seed: number, rules: readonly ProxyRule[], options: S3Options = {}): Promise<Line> {
    const plan = proxyPlan(seed, rules);
    const proxy = await ChaosProxy.listen(
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: this.#port },
      plan,
    );
    const retries: RetryEvent[] = [];
    const storage = new S3Storage(new URL(`${this.scheme}://127.0.0.1:${proxy.address.port}`), {
      credentials: CREDENTIALS,
      clock: { now: () => performance.now(), sleep: async () => undefined, random: () => 0.5 },
      onRetry: (event) => retries.push(event),
      ...(this.#caFile && { caFile: this.#caFile }),
      ...options,
    });
    return {
      store: await storage.open('lsu'),
      plan,
      retries,
      close: async () => {
        await storage.close();
        await proxy.close();
      },
    };
  }
}
