import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from '../../image/support.ts';
import { type Ended, ostHost, startHost } from './ost-host.ts';
import { readIfThere, type Served } from './served.ts';

const MIB = 1024 * 1024;
/** More than all slots together hold, so that the host is in the middle of the image for as long as this is not read on. */
const HALF = 24 * MIB;

/** A backup whose second half is given to the host when the test wants it. */
export class SlowJob {
  readonly image: readonly string[];
  readonly #served: Served;
  readonly #host: ReturnType<typeof startHost>;
  readonly #data = randomBytes(2 * HALF + 512, 'slow');
  readonly #plugin: string;
  #said = '';

  /** @param plugin lines of plugin.conf. */
  constructor(served: Served, plugin = '') {
    this.#served = served;
    this.image = ['--lsu', 'lsu-1', '--image', 'slow'];
    this.#plugin = `slot_mib = 1\nslots = 16\nlog_file = ${this.#logFile}\nlog_level = 3\n${plugin}`;
    this.#host = startHost(served, ['backup', ...this.image], { plugin: this.#plugin });
    for (const stream of [this.#host.stdout, this.#host.stderr])
      stream.on('data', (data: Buffer) => (this.#said += data.toString()));
  }

  get #logFile(): string {
    return join(this.#served.folder, 'plugin.log');
  }

  get pid(): number {
    return this.#host.pid ?? 0;
  }

  /** What the plugin wrote into its log. */
  get log(): string {
    return readIfThere(this.#logFile);
  }

  /** The host has taken the first half: most of it has been stored. */
  async halfway(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#host.once('close', () => reject(new Error(this.#said)));
      this.#host.stdin.write(this.#data.subarray(0, HALF), () => resolve());
    });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const closed = once(this.#host, 'close');
    this.#host.kill('SIGKILL');
    await closed;
  }

  /** The rest; resolves when the host has ended. */
  async finish(): Promise<Ended> {
    const closed = once(this.#host, 'close');
    this.#host.stdin.end(this.#data.subarray(HALF));
    const [code] = (await closed) as [number | null];
    return { code, said: this.#said };
  }

  /** Whether a restore has every byte. */
  async restored(): Promise<boolean> {
    const output = join(this.#served.folder, 'restored');
    const { code, said } = await ostHost(this.#served, ['restore', ...this.image, '--file', output], {
      plugin: this.#plugin,
    });
    if (code !== 0) throw new Error(said);
    return readFileSync(output).equals(this.#data);
  }
}
