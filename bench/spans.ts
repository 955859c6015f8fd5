/**
 * What the trace of a request costs: processor time of the retry layer for a request that does nothing, without spans in the code,
 * with spans and no SDK (tracing off), and with the SDK (tracing on, spans taken by nobody). Run after `make`: node bench/spans.ts
 */
import { stdout } from 'node:process';
import { openSdk } from '../src/tracing/sdk.ts';
import { Retrier } from '../src/vast/retry.ts';

const ROUNDS = 7;
const REQUESTS = 200_000;

/** Microseconds of processor time for one request, the least of some rounds. */
async function measure(retrier: Retrier): Promise<number> {
  const task = { operation: 'part', bytes: 1, lsu: 'lsu', key: 'key' };
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = process.cpuUsage();
    for (let request = 0; request < REQUESTS; request += 1) await retrier.run(task, async () => undefined);
    const { user, system } = process.cpuUsage(start);
    times.push((user + system) / REQUESTS);
  }
  return Math.min(...times);
}

const bare = new Retrier();
const traced = new Retrier({ service: 's3' });
await measure(traced);
const figures: [string, number][] = [
  ['no spans in the code', await measure(bare)],
  ['spans, tracing off', await measure(traced)],
];
process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:1';
const plan = {
  protocol: 'http/protobuf',
  ratio: 1,
  queue: 2048,
  batch: 512,
  delayMs: 5000,
  timeoutMs: 30_000,
} as const;
openSdk({ ...plan, sampler: 'always_on' }, () => undefined);
figures.push(['spans, tracing on, nobody takes them', await measure(traced)]);
for (const [what, microseconds] of figures) {
  stdout.write(`${what.padEnd(36)} ${microseconds.toFixed(2).padStart(8)} µs of CPU / request\n`);
}
