import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { EngineError } from '../../errors.ts';
import { startS3Sim } from '../../sim/s3/s3-sim.ts';
import { printJson } from '../output.ts';

export interface SimOptions {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  readonly checksums: 'reject' | 'ignore' | 'full';
  readonly json?: boolean;
}

/** `vast-ost sim`: the embedded S3 endpoint, until interrupted. */
export async function sim(options: SimOptions, signal: AbortSignal): Promise<void> {
  const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = process.env;
  if (!accessKey || !secretKey) {
    throw new EngineError('VOST_NO_CREDENTIALS', 'usage', 'the simulator needs keys to check signatures with', {
      advice: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to any values, and use the same ones for the clients',
    });
  }
  const { dir, host, port, checksums } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const server = await startS3Sim({ dir, host, port, accessKey, secretKey, checksumMode: checksums });
  try {
    if (options.json) printJson({ url: server.url, dir });
    else process.stdout.write(`S3 endpoint ${server.url}, data in ${dir}; Ctrl-C ends it\n`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
  }
}
