/**
 * One case in a process of its own: takes a {@link Job} as JSON argument, prints an {@link Outcome} as JSON. Whatever
 * is needed before the first byte (modules, payload, connections) is outside the measured time.
 */
import type { Job, Outcome } from './case.ts';
import { GeneratedSource } from './source.ts';
import { prepareChain } from './work/chain.ts';
import { prepareImage } from './work/image.ts';
import { prepareLibStorage } from './work/lib-storage.ts';
import type { Prepared } from './work/prepared.ts';

function prepare(job: Job, source: GeneratedSource): Promise<Prepared> {
  switch (job.work.kind) {
    case 'chain':
      return prepareChain(job, job.work, source);
    case 'image':
      return prepareImage(job, job.work, source);
    case 'lib-storage':
      return prepareLibStorage(job, job.work, source);
  }
}

const job = JSON.parse(process.argv[2] ?? '') as Job;
const prepared = await prepare(job, await GeneratedSource.create(job.data));
const cpuBefore = process.cpuUsage();
const started = performance.now();
const result = await prepared.run();
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
await prepared.close();
const outcome: Outcome = {
  seconds,
  cpuSeconds: (user + system) / 1e6,
  peakRss: process.resourceUsage().maxRSS * 1024,
  ...result,
};
process.stdout.write(`${JSON.stringify(outcome)}\n`);
