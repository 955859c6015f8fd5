import { open, writeFile } from 'node:fs/promises';
import { LSU } from './engine-process.ts';
import { CREDENTIALS, measured, type Taken } from './peers.ts';
import type { Sink } from './sink.ts';
import { GeneratedSource } from './source.ts';

const IMAGE = 'bench';

/** `vast-ost`, as an administrator calls it, with a storage at the sink. */
export class Command {
  readonly #config: string;

  private constructor(config: string) {
    this.#config = config;
  }

  /** @param config where its configuration file is to be */
  static async create(config: string, sink: Sink, caFile: string | undefined): Promise<Command> {
    const trust = caFile === undefined ? '' : `s3_ca_file = ${caFile}\n`;
    await writeFile(config, `[general]\nstore = s3:${sink.endpoint}\n${trust}[performance]\nwire_integrity = none\n`);
    return new Command(config);
  }

  backup(file: string): Promise<Taken> {
    return this.#run('backup', LSU, IMAGE, file);
  }

  /** Every leaf verified; the bytes go nowhere. */
  restore(): Promise<Taken> {
    return this.#run('restore', LSU, IMAGE, '/dev/null');
  }

  #run(...words: string[]): Promise<Taken> {
    return measured(['bin/vast-ost', '--config', this.#config, ...words], { ...process.env, ...CREDENTIALS });
  }
}

/** A file of stamped blocks, which the sink can make again. */
export async function makeStamped(path: string, bytes: number): Promise<string> {
  const source = await GeneratedSource.create('random');
  const file = await open(path, 'w');
  try {
    for (const { data } of source.sequential(bytes)) await file.write(data);
  } finally {
    await file.close();
  }
  return path;
}
