import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { SCRUB_KEY, type ScrubState } from '../../src/image/scrub-state.ts';
import { randomBytes, testResources, writeImage, writerOptions } from '../image/support.ts';
import { metricsPort, seriesOf } from '../metrics/support.ts';
import { promise } from '../support/promise.ts';
import { readIfThere, Served } from './support/served.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const SIZES = { one: 2 * MIB, three: 2 * MIB, two: 3 * MIB };
const ALL = 7 * MIB;

const stateOf = (file: string): ScrubState | undefined => {
  const text = readIfThere(file);
  return text === '' ? undefined : (JSON.parse(text) as ScrubState);
};

/** Ask the engine's server of metrics. */
async function ask(served: Served, path: string): Promise<string> {
  const port = await metricsPort(served);
  return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
}

/** What is told of the scrub of an LSU, by `images_total good`, `bytes_total` and so on. */
async function figures(served: Served, lsu: string): Promise<Record<string, number>> {
  const told: Record<string, number> = {};
  for (const [series, value] of seriesOf(await ask(served, '/metrics'))) {
    const [, name, result = ''] =
      new RegExp(`^vast_ost_scrub_(\\w+)\\{server="test",lsu="${lsu}"(?:,result="(\\w+)")?\\}$`).exec(series) ?? [];
    if (name !== undefined) told[`${name} ${result}`.trim()] = value;
  }
  return told;
}

/** The same, as soon as one of them is there. */
async function once(served: Served, lsu: string, name: string): Promise<Record<string, number>> {
  let told: Record<string, number> = {};
  await until(async () => {
    told = await figures(served, lsu);
    return name in told;
  });
  return told;
}

/** Requests of an operation that have ended. */
async function requests(served: Served, operation: string): Promise<number> {
  const lines = (await ask(served, '/metrics')).matchAll(/^vast_ost_requests_total\{([^}]*)\} (\d+)$/gm);
  return [...lines].reduce(
    (sum, [, labels = '', count]) => sum + (labels.includes(`operation="${operation}"`) ? Number(count) : 0),
    0,
  );
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}

/** What the engine says of a scrub that has come to its end. */
const scrubs = (served: Served): Record<string, unknown>[] =>
  served.stderr
    .split('\n')
    .filter((line) => line.includes('"msg":"scrub"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

t.test('a running engine scrubs on its schedule', async (t) => {
  promise({
    row: 'integrity',
    promise:
      'A running engine verifies every image when it is due, no faster than scrub_rate, goes on where the engine before it was stopped or killed, and tells damage by log, event and console',
    fault:
      'serve with scrub_interval on a damaged image; SIGTERM, then SIGKILL, amid the round; a restart when none is due',
  });
  const serverLines = 'scrub_interval = 1h\nscrub_rate = 1M';
  const served = await Served.prepare(t, { serverLines, metrics: 'listen = 127.0.0.1:0' });
  const store = await served.openLsu(t, 'lsu-1');
  const resources = testResources(t);
  for (const [name, size] of Object.entries(SIZES))
    await writeImage(store, resources, writerOptions(resources, name), randomBytes(size, name));
  const folder = join(served.folder, 'store', 'lsu-1');
  const damaged = readdirSync(join(folder, 'netbackup')).find((name) => name.startsWith('two')) ?? '';
  const fragment = join(folder, 'netbackup', damaged, 'fragment-000001');
  const bytes = readFileSync(fragment);
  // The image that comes last.
  bytes[2 * MIB + 7] = (bytes[2 * MIB + 7] ?? 0) ^ 1;
  writeFileSync(fragment, bytes);
  const record = join(folder, SCRUB_KEY);

  // Stopped: it notes where it is.
  const began = performance.now();
  await served.start();
  await until(async () => (await requests(served, 'read')) >= 9);
  t.equal(await served.stop(), 0);
  const seconds = (performance.now() - began) / 1000;
  const { round } = stateOf(record) ?? {};
  const done = (round?.bytes ?? 0) + (round?.within?.offset ?? 0);
  t.ok(done > 0 && done < ALL, `${done} bytes are verified`);
  t.ok(done <= (Math.ceil(seconds) + 1) * MIB, `in ${seconds} s, and no more than 1 MiB a second`);

  // Killed: what it did since is done again, and no more.
  await served.start();
  await until(async () => (await requests(served, 'read')) >= 4);
  await served.kill();
  t.equal(stateOf(record)?.round?.began, round?.began, 'the round goes on');
  await served.start();
  await until(() => scrubs(served).length > 0);
  const [result] = scrubs(served);
  t.match(result, { lsu: 'lsu-1', end: 'finished', damaged: 1 });
  t.ok(Number(result?.['bytes']) <= ALL - done, `${String(result?.['bytes'])} bytes were left`);
  const { last } = stateOf(record) ?? {};
  t.match(last, { began: round?.began, images: 3, damaged: 1 });
  const ended = Date.parse(last?.ended ?? '');
  const told = await figures(served, 'lsu-1');
  t.match(told, { 'images_total damaged': 1, last_complete_timestamp_seconds: ended / 1000 });
  t.equal((told['images_total good'] ?? 0) + 1, result?.['images'], 'of this engine');
  // Stored bytes: an image is a little longer than what it holds.
  t.ok((told['bytes_total'] ?? 0) >= Number(result?.['bytes']) && (told['bytes_total'] ?? 0) < ALL, 'and what it read');
  t.notOk('round_began_timestamp_seconds' in told);
  t.match(await once(served, 'lsu-2', 'last_complete_timestamp_seconds'), { 'images_total good': 0, bytes_total: 0 });
  t.match(await ask(served, '/metrics'), /^vast_ost_scrub_interval_seconds\{server="test"\} 3600$/m);
  const { lsus } = JSON.parse(await ask(served, '/api/v1/lsus')) as {
    lsus: { lsu: string; scrubbed: string | null }[];
  };
  t.equal(lsus.find(({ lsu }) => lsu === 'lsu-1')?.scrubbed, last?.ended);

  // Told.
  t.match(served.stderr, /the scrub found a damaged image: vast-ost repair/);
  const event = new RegExp(`ERROR[^\\n]*${damaged}[^\\n]*VOST_CORRUPT[^\\n]*offset 2097152`);
  t.match(readIfThere(join(served.folder, 'state', 'events-test.jsonl')), event);
  t.match(JSON.parse(await ask(served, '/api/v1/errors')), {
    errors: [{ code: 'VOST_CORRUPT', where: `scrub lsu-1/${damaged}` }],
  });

  // Nothing is due, until an interval has passed.
  await served.stop();
  await served.start();
  t.strictSame(
    await once(served, 'lsu-1', 'last_complete_timestamp_seconds'),
    {
      'images_total good': 0,
      'images_total damaged': 0,
      bytes_total: 0,
      last_complete_timestamp_seconds: ended / 1000,
    },
    'the engine knows when, and counts its own',
  );
  await served.stop();
  t.same(scrubs(served), []);
  const state = stateOf(record);
  const earlier = new Date(Date.now() - 2 * HOUR_MS).toISOString();
  writeFileSync(record, JSON.stringify({ ...state, last: { ...state?.last, began: earlier } }));
  await served.start();
  const again = await once(served, 'lsu-1', 'round_began_timestamp_seconds');
  t.equal(again['last_complete_timestamp_seconds'], ended / 1000, 'still the one before');
  await served.stop();
  t.not(stateOf(record)?.round?.began, round?.began, 'a new round has begun');
});
