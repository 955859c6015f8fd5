import { Readable } from 'node:stream';
import t from 'tap';
import { Chain } from '../../src/pipeline/chain.ts';
import type { Chunk, Run, SourceWrite } from '../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { ParallelSink } from '../../src/pipeline/parallel-sink.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { runStage } from '../../src/pipeline/run-stage.ts';
import { createAggregator } from '../../src/stages/aggregator.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { createChunker } from '../../src/stages/chunker.ts';
import { createFetcher } from '../../src/stages/fetcher.ts';
import { createPacker, type StoredChunk } from '../../src/stages/packer.ts';
import { planParts } from '../../src/stages/part-planner.ts';
import { createPartUploader } from '../../src/stages/part-uploader.ts';
import { createSlicer } from '../../src/stages/slicer.ts';
import { noise, prose } from '../support/chunks.ts';
import { JsBridge } from '../support/js-bridge.ts';
import { promise } from '../support/promise.ts';
import { stageEnv } from '../support/stage-env.ts';
import { turns } from '../support/turns.ts';

const MIB = 1024 * 1024;
const CHUNK = MIB;

/** Stretches that compress well, a little and not at all, longer than a chunk and shorter. */
function image(length: number): Buffer {
  const data = noise(length, 9);
  for (let at = 0, nth = 0; at < length; at += 700_000, nth += 1)
    prose(Math.min(length - at, (nth % 5) * 200_000)).copy(data, at);
  return data;
}

interface Archive {
  readonly chunks: StoredChunk[];
  readonly fragments: Map<number, Buffer>;
}

async function backup(data: Buffer, total: number, stages: readonly string[], sizes: number): Promise<Archive> {
  const bridge = new JsBridge();
  const resources = createResources(bridge, total, builtInStages());
  const { budget, slabs } = resources;
  const scope = new LeaseScope();
  const env = stageEnv({ budget, scope, bridge });
  const chunks: StoredChunk[] = [];
  const fragments = new Map<number, Buffer>();
  const chain = new Chain<SourceWrite>(
    [
      createAggregator({ pool: slabs, slabBytes: CHUNK, scope, window: 0 }),
      createChunker({ chunkBytes: CHUNK }),
      ...stages.map((name) => runStage(name, resources.stages.configure(name, {}).forward(env))),
      createPacker({
        minPartBytes: 1,
        maxChunks: Number.POSITIVE_INFINITY,
        plan: planParts({
          partBytes: 64 * MIB,
          maxPartBytes: total / 4,
          minPartBytes: 1,
          maxParts: 10_000,
          maxFragmentBytes: 20 * MIB,
        }),
      }),
      createPartUploader({
        concurrency: () => 4,
        store: async ({ fragment, offset, pieces, number }) => {
          await turns(number % 4);
          const before = fragments.get(fragment) ?? Buffer.alloc(0);
          const body = Buffer.concat(pieces);
          const after = Buffer.alloc(Math.max(before.byteLength, offset + body.byteLength));
          before.copy(after);
          body.copy(after, offset);
          fragments.set(fragment, after);
        },
        onStored: (part) => void chunks.push(...part.chunks),
      }),
    ],
    { onClosed: () => scope.releaseAll() },
  );
  for (let at = 0; at < data.byteLength; at += sizes)
    await chain.write({ offset: at, data: data.subarray(at, at + sizes) });
  await chain.end();
  t.strictSame([budget.used, budget.waiting, scope.size], [0, 0, 0], 'backup: nothing stays held');
  t.ok(budget.peak <= total + 2 * CHUNK, `backup: ${budget.peak} of ${total} bytes`);
  slabs.close();
  t.equal(bridge.liveSlabs, 0);
  chunks.sort((a, b) => a.index - b.index);
  return { chunks, fragments };
}

async function restore(archive: Archive, total: number, stages: readonly string[], length: number): Promise<Buffer> {
  const bridge = new JsBridge();
  const resources = createResources(bridge, total, builtInStages());
  const { budget, slabs } = resources;
  const scope = new LeaseScope();
  const env = stageEnv({ budget, scope, bridge });
  const out = Buffer.alloc(length);
  const chain = new Chain<never>(
    [
      Readable.from(archive.chunks, { highWaterMark: 1 }),
      createFetcher({
        pool: slabs,
        scope,
        concurrency: 4,
        read: async (fragment, offset, into) => {
          await turns(offset % 3);
          into.set(archive.fragments.get(fragment)?.subarray(offset, offset + into.byteLength) ?? []);
        },
      }),
      ...stages
        .toReversed()
        .map((name) => runStage(`${name}-inverse`, resources.stages.configure(name, {}).inverse(env))),
      createSlicer(0, length),
      new ParallelSink<Run>({
        name: 'sink',
        concurrency: () => 1,
        consume: async ({ offset, data, lease }) => {
          await turns(1);
          out.set(data, offset);
          lease.release();
        },
      }),
    ],
    { onClosed: () => scope.releaseAll() },
  );
  await chain.done;
  t.strictSame([budget.used, budget.waiting, scope.size], [0, 0, 0], 'restore: nothing stays held');
  t.ok(budget.peak <= total + 2 * CHUNK, `restore: ${budget.peak} of ${total} bytes`);
  return out;
}

t.test('the least memory that settings allow is enough, and the bytes come back', async (t) => {
  promise({
    row: 'limits',
    promise: 'The least memory that settings allow is enough',
    fault: 'the smallest budget, backup and restore',
  });
  const data = image(40 * MIB + 12_345);
  for (const [stages, total] of [
    [['checksum'], 2 * CHUNK],
    [['checksum', 'lz4'], 4 * CHUNK],
  ] as const) {
    for (const sizes of [100_000, 5 * MIB]) {
      const archive = await backup(data, total, stages, sizes);
      t.ok((await restore(archive, total, stages, data.byteLength)).equals(data), stages.join());
      const all = archive.chunks.reduce((sum, { storedLength }) => sum + storedLength, 0);
      t.ok(stages.length === 1 ? all === data.byteLength : all < 0.9 * data.byteLength);
    }
  }
});

t.test('a chunk that arrives broken ends the restore with its place, and frees everything', async (t) => {
  const data = image(6 * MIB);
  for (const stages of [['checksum'], ['checksum', 'lz4']]) {
    const archive = await backup(data, 4 * CHUNK, stages, MIB);
    const target = archive.chunks[3] as StoredChunk & Pick<Chunk, 'leaves'>;
    const fragment = archive.fragments.get(target.fragment) as Buffer;
    const at = target.storedOffset + target.storedLength - 20;
    fragment[at] = (fragment[at] as number) ^ 1;
    await t.rejects(restore(archive, 4 * CHUNK, stages, data.byteLength), {
      failure: 'integrity',
      message: /chunk 3/,
      details: { chunk: 3, offset: 3 * MIB },
    });
  }
});
