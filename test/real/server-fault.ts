import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WORK } from './support.ts';

const CONTROL = join(WORK, 'control');

/**
 * What is done to an NFS server outside of this kernel, which nobody here can signal: as long as the file of that name is there it is kept dead
 * (`down`) or hangs (`held`), and the file `is-…` tells that it does.
 */
export class ServerFault {
  readonly #name: 'down' | 'held';

  constructor(name: 'down' | 'held') {
    this.#name = name;
  }

  async begin(): Promise<void> {
    await writeFile(join(CONTROL, this.#name), '');
    while (!(await this.#done())) await delay(100);
  }

  async end(): Promise<void> {
    await rm(join(CONTROL, this.#name), { force: true });
    while (await this.#done()) await delay(100);
  }

  async #done(): Promise<boolean> {
    return access(join(CONTROL, `is-${this.#name}`)).then(
      () => true,
      () => false,
    );
  }
}
