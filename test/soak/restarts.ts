/**
 * `make restarts`: real engines that die at every kind of step of a backup and its restore, and at seeded random ones, on both stores, with LZ4 and
 * without; and one that hangs for a minute. JOBS random jobs for each (default 6); SEED names the seed to run again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { seededRandom } from '../../src/sim/faults/random.ts';
import { checkKilled, type JobOptions, KilledJob } from '../ost/support/killed-job.ts';
import { Served } from '../ost/support/served.ts';
import { SlowJob } from '../ost/support/slow-job.ts';

const jobs = Number(process.env['JOBS'] ?? 6);
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const random = seededRandom(seed);
/** Engines that die in one random job. */
const LIVES = 10;
/** That one of them takes before it dies; a whole backup is some hundreds. */
const MOST_STEPS = 100;

t.setTimeout(12 * 3_600_000);

const around = (operation: string): string[] => [`before:${operation}`, `after:${operation}`];
/** In the order in which a job comes to them. */
const WRITING = [
  ...around('open'),
  ...around('put:pending'),
  ...around('create-upload'),
  ...around('part'),
  'amid:journal-write#6',
  'after:journal-write#7',
  ...around('journal-publish').map((point) => `${point}#3`),
];
/** Of these only one or two can be met in one job. */
const PUBLISHING = [
  ...around('list-parts').map((point) => ['before:complete', point]),
  ...['complete', 'put:index', 'complete:image.meta', 'journal-clear'].flatMap(around).map((point) => [point]),
];
const READING = [
  ...around('read:image.meta'),
  ...around('read:index'),
  ...around('read:fragment').map((p) => `${p}#3`),
];

const stores: JobOptions[] = (['directory', 'simulator'] as const).flatMap((kind) =>
  (['none', 'lz4'] as const).map((compression) => ({ kind, compression })),
);

for (const options of stores) {
  const name = `${options.kind}, ${options.compression}`;
  t.test(`${name}: every kind of step`, async (t) => {
    await checkKilled(t, options, { writing: WRITING, reading: READING });
    for (const writing of PUBLISHING) await checkKilled(t, options, { writing, reading: [] });
  });

  t.test(`${name}: random steps, seed ${seed}`, async (t) => {
    let deaths = 0;
    for (let nth = 0; nth < jobs; nth += 1) {
      const job = await KilledJob.prepare(t, options);
      const steps = () => Array.from({ length: LIVES }, () => String(1 + Math.floor(random() * MOST_STEPS)));
      const { code, said } = await job.backup('killed', steps());
      t.equal(code, 0, said);
      const restored = await job.restore('killed', steps());
      t.equal(restored.code, 0, restored.said);
      t.ok(restored.same, 'bit for bit');
      deaths += job.deaths.length;
    }
    t.comment(`${deaths} engines died`);
    t.ok(deaths > jobs);
  });
}

t.test('an engine that hangs for 60 s, and a plugin with the times that it has by default', async (t) => {
  const served = await Served.prepare(t);
  await served.start();
  const job = new SlowJob(served);
  await job.halfway();
  served.child?.kill('SIGSTOP');
  const finished = job.finish();
  await delay(60_000);
  served.child?.kill('SIGCONT');
  const { code, said } = await finished;
  t.equal(code, 0, said);
  t.ok(await job.restored(), 'bit for bit');
});
