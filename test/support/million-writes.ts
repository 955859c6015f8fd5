/**
 * A million writes of 512 bytes through an aggregator and a chunker; prints what came out. A program of its own, because the
 * test runner's hooks make every promise many times slower.
 */
import { Chain } from '../../src/pipeline/chain.ts';
import type { Chunk, SourceWrite } from '../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { ParallelSink } from '../../src/pipeline/parallel-sink.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { createAggregator } from '../../src/stages/aggregator.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { createChunker } from '../../src/stages/chunker.ts';
import { noise } from './chunks.ts';
import { JsBridge } from './js-bridge.ts';

const MIB = 1024 * 1024;
const bridge = new JsBridge();
const { budget, slabs } = createResources(bridge, 32 * MIB, builtInStages());
const scope = new LeaseScope();
const block = noise(512 * 1024);
let bytes = 0;
let same = true;
const sink = new ParallelSink<Chunk>({
  name: 'sink',
  concurrency: () => 1,
  consume: async ({ pieces: [data], lease }) => {
    for (let at = 0; data && at < data.byteLength; at += block.byteLength)
      same &&= block.equals(data.subarray(at, at + block.byteLength));
    bytes += data?.byteLength ?? 0;
    lease.release();
  },
});
const aggregator = createAggregator({ pool: slabs, slabBytes: 4 * MIB, scope, window: 0 });
const chain = new Chain<SourceWrite>([aggregator, createChunker({ chunkBytes: 4 * MIB }), sink]);
for (let nth = 0; nth < MIB; nth += 1) {
  const at = (nth % 1024) * 512;
  await chain.write({ offset: nth * 512, data: block.subarray(at, at + 512) });
}
await chain.end();
slabs.close();
console.log(JSON.stringify({ bytes, same, held: [scope.size, budget.used, bridge.liveSlabs] }));
