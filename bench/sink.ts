import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
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

/** PEM files for a sink on HTTPS. */
export interface SinkTls {
  /** Certificate and key. */
  readonly serverFile: string;
  readonly caFile: string;
}

/** A running sink. */
export interface Sink {
  /** By address, or over TLS by `localhost`, which its certificate names. */
  readonly endpoint: string;
  readonly port: number;
  stats(): Promise<SinkStats>;
  /** End it and wait; resolves to its last word. */
  stop(): Promise<SinkStats>;
}

async function fetchStats(endpoint: string, caFile: string | undefined): Promise<SinkStats> {
  const url = `${endpoint}/-/stats`;
  const asked =
    caFile === undefined ? request(url, { agent: false }) : requestTls(url, { agent: false, ca: readFileSync(caFile) });
  const [answer] = await once(asked.end(), 'response');
  return JSON.parse(await text(answer)) as SinkStats;
}

/**
 * @param args options of the program, see `build/bench-sink --help`.
 * @param program built by bench/bench.mk.
 * @param tls files of a certificate with its key, and of its authority; absent: plain HTTP.
 */
export async function startSink(
  args: readonly string[] = [],
  program = 'build/bench-sink',
  tls?: SinkTls,
): Promise<Sink> {
  const child = spawn(program, tls === undefined ? args : [...args, '--tls', tls.serverFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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
  const port = await listening;
  const endpoint = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  return {
    endpoint,
    port,
    stats: () => fetchStats(endpoint, tls?.caFile),
    stop: async () => {
      child.kill('SIGTERM');
      const [status] = await closed;
      if (status !== 0) throw new Error(`the sink ended with status ${status}`);
      return JSON.parse(said.slice(said.indexOf('\n') + 1)) as SinkStats;
    },
  };
}
