import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

/** What the sink says about the objects it judged; bench/sink/stamps.h explains the counts. */
export interface Verified {
  readonly objects: number;
  readonly good: number;
  readonly blocks: number;
  readonly missing: number;
  readonly duplicates: number;
  readonly disorder: number;
  readonly unaligned: number;
  readonly list: readonly { readonly name: string; readonly size: number; readonly first: number }[];
}

export interface SinkStats {
  readonly requests: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly cpu_seconds: number;
  readonly verified?: Verified;
}

/** A running sink. */
export interface Sink {
  readonly endpoint: string;
  stats(): Promise<SinkStats>;
  /** End it and wait; resolves to its last word. */
  stop(): Promise<SinkStats>;
}

async function fetchStats(endpoint: string): Promise<SinkStats> {
  const asked = request(`${endpoint}/-/stats`, { agent: false }).end();
  const [answer] = await once(asked, 'response');
  return JSON.parse(await text(answer)) as SinkStats;
}

/**
 * @param args options of the program, see `build/bench-sink --help`.
 * @param program built by bench/bench.mk.
 */
export async function startSink(args: readonly string[] = [], program = 'build/bench-sink'): Promise<Sink> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  const closed = once(child, 'close');
  const listening = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.once('exit', () => reject(new Error('the sink ended at once')));
    child.stdout.setEncoding('latin1').on('data', (piece: string) => {
      said += piece;
      const port = /^listening ([0-9]+)\n/.exec(said)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
  const endpoint = `http://127.0.0.1:${await listening}`;
  return {
    endpoint,
    stats: () => fetchStats(endpoint),
    stop: async () => {
      child.kill('SIGTERM');
      const [status] = await closed;
      if (status !== 0) throw new Error(`the sink ended with status ${status}`);
      return JSON.parse(said.slice(said.indexOf('\n') + 1)) as SinkStats;
    },
  };
}
