import { bridge, DIGEST_BYTES, LEAF_BYTES } from '../../src/bridge/bridge.ts';
import { Chain } from '../../src/pipeline/chain.ts';
import type { SourceWrite } from '../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { runStage } from '../../src/pipeline/run-stage.ts';
import type { StageInstance } from '../../src/pipeline/stage.ts';
import { createAggregator } from '../../src/stages/aggregator.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { createChunker } from '../../src/stages/chunker.ts';
import { createPacker } from '../../src/stages/packer.ts';
import { planParts } from '../../src/stages/part-planner.ts';
import { createPartUploader } from '../../src/stages/part-uploader.ts';
import type { ChainWork, Job } from '../case.ts';
import type { GeneratedSource } from '../source.ts';
import type { Prepared } from './prepared.ts';

/** Stands in for the checksum, because the packer insists on digests. */
const noChecksum: StageInstance = {
  concurrency: 1,
  apply: (chunk) => ({ ...chunk, leaves: Buffer.alloc(DIGEST_BYTES * Math.ceil(chunk.length / LEAF_BYTES)) }),
};

/** The write chain's own cost: its parts as ImageWriter joins them, ending in a store that does nothing. */
export async function prepareChain(job: Job, work: ChainWork, source: GeneratedSource): Promise<Prepared> {
  const stages = builtInStages();
  const { budget, slabs } = createResources(bridge, job.memoryBudget, stages);
  const scope = new LeaseScope();
  const image = { lsu: 'lsu', name: 'bench', date: '0', policy: '', schedule: '', client: '' };
  const env = { budget, scope, bridge, slabs, image, before: (length: number) => length };
  let storedBytes = 0;
  const checksum = work.checksum ? stages.configure('checksum', {}).forward(env) : noChecksum;
  const plan = planParts({
    partBytes: job.partBytes,
    maxPartBytes: job.partBytes,
    minPartBytes: 1,
    maxParts: 10_000,
    maxFragmentBytes: 2 ** 40,
  });
  const chain = new Chain<SourceWrite>(
    [
      createAggregator({ pool: slabs, slabBytes: job.chunkBytes, scope, window: job.chunkBytes }),
      createChunker({ chunkBytes: job.chunkBytes }),
      runStage('checksum', checksum),
      ...(work.lz4 ? [runStage('lz4', stages.configure('lz4', {}).forward(env))] : []),
      createPacker({ minPartBytes: 1, maxChunks: Number.POSITIVE_INFINITY, plan }),
      createPartUploader({
        concurrency: () => job.parallelParts,
        store: async () => undefined,
        onStored: (part) => {
          storedBytes += part.size;
        },
      }),
    ],
    { onClosed: () => scope.releaseAll() },
  );
  return {
    run: async () => {
      for (const write of source.sequential(job.bytes)) await chain.write(write);
      await chain.end();
      return { storedBytes, ...(work.checksum ? { hasher: bridge.implementation.sha256 } : {}) };
    },
    close: async () => slabs.close(),
  };
}
