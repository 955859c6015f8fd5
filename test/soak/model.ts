import { inspect } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { runSequence, sequence, Tally } from '../chaos/model-sequence.ts';
import { freshLsus } from '../chaos/model-stores.ts';
import { testResources } from '../image/support.ts';
import { type Batch, readBatches, writeBatches } from './record.ts';

// `make soak`: SEQUENCES (default 10,000) of the model test in batches, each by a seed of its own, going on where the last run stopped.
// With SEED one batch is run again and not recorded. Real stores are slower, so they get fewer.
const BATCH = 100;
const SHARE = 20;
const wanted = Number(process.env['SEQUENCES'] ?? 10_000);
const again = process.env['SEED'];

const HOURS = 12 * 3_600_000;
t.setTimeout(HOURS);

t.test('random sequences against the model', async (t) => {
  t.setTimeout(HOURS);
  const resources = testResources(t);
  const stores = [
    { fresh: async () => undefined, share: 1 },
    { fresh: await freshLsus(t, 'directory'), share: SHARE },
    { fresh: await freshLsus(t, 'simulator'), share: SHARE },
  ];

  async function run(seed: number, sequences: number): Promise<Batch> {
    const tally = new Tally();
    let failure: string | undefined;
    try {
      for (const { fresh, share } of stores) {
        await fc.assert(
          fc.asyncProperty(sequence, async (one) => runSequence(resources, one, tally, await fresh())),
          { numRuns: Math.ceil(sequences / share), seed },
        );
      }
    } catch (error) {
      // Why a call failed that should not have is the cause of the cause.
      failure = error instanceof Error ? `${error.message}\n${inspect(error.cause, { depth: 6 })}` : String(error);
    }
    const { faults, ...counted } = tally;
    const date = new Date().toISOString().slice(0, 10);
    return { seed, sequences, date, counted: { ...counted }, faults: { ...faults }, ...(failure && { failure }) };
  }

  if (again !== undefined) {
    const { failure, ...done } = await run(Number(again), wanted);
    t.comment(JSON.stringify(done));
    t.equal(failure, undefined, `seed ${again}`);
  } else {
    const batches = readBatches();
    let seed = (batches.at(-1)?.seed ?? Date.now() % 2 ** 30) + 1;
    let done = batches.reduce((sum, { sequences }) => sum + sequences, 0);
    t.comment(`${done} of ${wanted} sequences are done already`);
    for (; done < wanted; done += BATCH) {
      const batch = await run(seed, BATCH);
      batches.push(batch);
      writeBatches(batches);
      t.equal(batch.failure, undefined, `seed ${seed}: ${done + BATCH} of ${wanted}`);
      seed += 1;
    }
    for (const { seed, failure } of batches) if (failure !== undefined) t.fail(`seed ${seed}: ${failure}`);
    t.pass('done');
  }
});
