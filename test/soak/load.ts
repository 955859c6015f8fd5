/** `make soak-load`: 10,000 images open at the same time, then 1,000 writers; minutes. Where: TMPDIR. */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { seriesOf } from '../metrics/support.ts';
import { readIfThere, Served } from '../ost/support/served.ts';
import { holdsOf } from './churn.ts';
import type { LoadAnswer } from './load-child.ts';
import { cycleBytes, describe, slowest } from './load-host.ts';
import { LoadProcesses } from './load-processes.ts';

const PROCESSES = 10;
const IMAGES = 10_000;
const WRITERS = 1_000;
/** Images of 1 to so many MiB. */
const SIZES = 8;
/** What the engine may have in private memory, KiB: half of its budget for payload, itself, and each open image. */
const BUDGET_KIB = 256 * 1024;
const ENGINE_KIB = 250 * 1024;
const IMAGE_KIB = 80;
/** A heap of so much holds them; with the usual one the garbage that V8 has not looked at would be measured, a GiB of it. */
const HEAP = { NODE_OPTIONS: `--max-old-space-size=${Math.ceil(100 + (IMAGES * IMAGE_KIB) / 1024)}` };
/** Images that many are at a big site, of which the cost of looking is told too. */
const SOME_IMAGES = 1_000;
/** Looks whose cost is measured, and what one may have. */
const LOOKS = 20;
const METRICS_BYTES = 1_000_000;
const LOOK_CPU_MS = 200;
/** How often it is looked whether the streams have come far enough. */
const LOOK_MS = 5_000;

t.setTimeout(4 * 3_600_000);

/** An engine, and how to see what it does. */
async function prepare(t: Test) {
  const served = await Served.prepare(t, {
    metrics: 'listen = 127.0.0.1:0',
    logFile: true,
    performance: 'chunk_size_mb = 1\npart_size_mb = 1\ncompression = lz4\nmemory_budget_mb = 512',
  });
  const child = await served.start(HEAP);
  const portOf = () => /"port":(\d+),.*"metrics are served"/.exec(readIfThere(served.log))?.[1];
  while (portOf() === undefined) await delay(10);
  const port = portOf();
  const look = async (t: Test, what: string, images: number, more?: LoadAnswer): Promise<void> => {
    const { body } = await request(`http://127.0.0.1:${port}/metrics`);
    const series = seriesOf(await body.text());
    const late = ['0.5', '0.99', '1'].map((quantile) => {
      const seconds = series.get(`vast_ost_event_loop_delay_seconds{quantile="${quantile}"}`) ?? 0;
      return (seconds * 1000).toFixed(0);
    });
    const { memory, descriptors } = holdsOf(child.pid as number);
    t.comment(
      `${what}: ${(memory / 1024).toFixed(0)} MiB private, ${descriptors} descriptors, loop late ${late.join(' ')} ms`,
    );
    for (const [call, values] of Object.entries(more?.latencies ?? {}))
      if (values.length > 0) t.comment(`${what}: ${call} ${describe(values)}`);
    t.ok(memory < BUDGET_KIB + ENGINE_KIB + images * IMAGE_KIB, `${what}: private memory`);
  };
  const scrape = async () => {
    const { body } = await request(`http://127.0.0.1:${port}/metrics`);
    const text = await body.text();
    const series = seriesOf(text);
    const cpu = ['user', 'system'].map((mode) => series.get(`process_cpu_seconds_total{mode="${mode}"}`) ?? 0);
    return { bytes: text.length, cpuMs: 1000 * cpu.reduce((sum, seconds) => sum + seconds, 0) };
  };
  /** What Prometheus and people who look at the console cost an engine that has nothing else to do, by its own clock. */
  const costs = async (t: Test, what: string): Promise<void> => {
    const before = await scrape();
    for (let nth = 0; nth < LOOKS; nth += 1) await scrape();
    const after = await scrape();
    const scrapeMs = (after.cpuMs - before.cpuMs) / (LOOKS + 1);
    const { body } = await request(`http://127.0.0.1:${port}/api/v1/live`);
    let [pictures, pictureBytes] = [0, 0];
    for await (const piece of body.setEncoding('utf8') as AsyncIterable<string>) {
      pictureBytes += piece.length;
      pictures += piece.split('\n\n').length - 1;
      if (pictures >= LOOKS) break;
    }
    const pictureMs = ((await scrape()).cpuMs - after.cpuMs) / pictures;
    t.comment(
      `${what}: /metrics ${after.bytes} bytes, ${scrapeMs.toFixed(1)} ms of CPU; a picture of the console ${Math.round(pictureBytes / pictures)} bytes, ${pictureMs.toFixed(1)} ms of CPU`,
    );
    t.ok(after.bytes < METRICS_BYTES, `${what}: size of /metrics`);
    t.ok(scrapeMs < LOOK_CPU_MS && pictureMs < LOOK_CPU_MS, `${what}: CPU of a look`);
  };
  const processes = async (hosts: number, handles: number): Promise<LoadProcesses> => {
    const all = await LoadProcesses.start(served.socket, PROCESSES, { hosts, handles });
    t.teardown(() => all.kill());
    return all;
  };
  return { served, look, costs, processes };
}

t.test(`${IMAGES} images open at the same time`, async (t) => {
  const { served, look, costs, processes } = await prepare(t);
  await look(t, 'before', 0);
  await costs(t, 'idle');
  const each = IMAGES / PROCESSES;
  const hosts = await processes(1, each);
  const some = SOME_IMAGES / PROCESSES;
  await look(t, `${SOME_IMAGES} open`, SOME_IMAGES, await hosts.tell({ do: 'open', images: some }));
  await costs(t, `${SOME_IMAGES} open`);
  await look(t, 'open', IMAGES, await hosts.tell({ do: 'open', images: each - some }));
  await costs(t, `${IMAGES} open`);
  for (const round of ['once', 'twice', 'three times'])
    await look(t, `written ${round}`, IMAGES, await hosts.tell({ do: 'write' }));
  await look(t, 'closed', IMAGES, await hosts.tell({ do: 'close' }));
  await hosts.tell({ do: 'stop' });
  t.equal(await served.stop(), 0);
});

t.test(`${WRITERS} writers`, async (t) => {
  const { served, look, processes } = await prepare(t);
  const hosts = await processes(WRITERS / PROCESSES, 4);
  const before = await hosts.tell({ do: 'stream', sizes: SIZES });
  t.equal(before.acknowledged.length, WRITERS);
  const began = performance.now();
  const { latencies } = before;
  // A window in which the middle stream has had images of every size twice.
  for (let bytes: number[] = []; slowest(bytes).median < 2 * cycleBytes(SIZES); ) {
    await delay(LOOK_MS);
    const now = await hosts.tell({ do: 'mark' });
    bytes = now.acknowledged.map((value, at) => value - (before.acknowledged[at] ?? 0));
    for (const call of ['open', 'write', 'close'] as const) latencies[call].push(...now.latencies[call]);
    if (slowest(bytes).median < 2 * cycleBytes(SIZES)) continue;
    const seconds = (performance.now() - began) / 1000;
    const mib = bytes.reduce((sum, value) => sum + value, 0) / 2 ** 20;
    await look(t, 'writing', WRITERS, { ...now, latencies });
    const { least, median } = slowest(bytes);
    t.comment(`${mib} MiB in ${seconds.toFixed(0)} s; slowest ${least / 2 ** 20}, median ${median / 2 ** 20} MiB`);
    t.ok(least >= median / 2, 'no stream starves');
  }
  await hosts.tell({ do: 'stop' });
  await look(t, 'after', 0);
  t.equal(await served.stop(), 0);
});
