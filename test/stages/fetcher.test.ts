import { Readable } from 'node:stream';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import { Chain } from '../../src/pipeline/chain.ts';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { ParallelSink } from '../../src/pipeline/parallel-sink.ts';
import { SlabPool } from '../../src/pipeline/slab-pool.ts';
import { createFetcher } from '../../src/stages/fetcher.ts';
import type { StoredChunk } from '../../src/stages/packer.ts';
import { JsBridge } from '../support/js-bridge.ts';
import { type Gate, gate, turns } from '../support/turns.ts';

const PAGE = 4096;

const stored = (index: number): StoredChunk => ({
  index,
  offset: index * 1000,
  length: 1000,
  fragment: 1 + (index >> 2),
  storedOffset: index * 600,
  storedLength: 600 + index,
  leaves: Buffer.alloc(32, index),
});

interface Rig {
  readonly chain: Chain<never>;
  readonly budget: ByteBudget;
  readonly scope: LeaseScope;
  readonly bridge: JsBridge;
  /** Opens the read of a chunk, by its place. */
  readonly reads: Map<number, Gate>;
  readonly chunks: Chunk[];
  readonly signals: AbortSignal[];
}

function rig(count: number, concurrency: number, total = 100 * PAGE, signal?: AbortSignal): Rig {
  const bridge = new JsBridge();
  const budget = new ByteBudget(total);
  const pool = new SlabPool(bridge, budget);
  const scope = new LeaseScope();
  const reads = new Map<number, Gate>();
  const chunks: Chunk[] = [];
  const signals: AbortSignal[] = [];
  const fetcher = createFetcher({
    pool,
    scope,
    concurrency,
    read: async (fragment, offset, into, given) => {
      const wait = gate();
      reads.set(offset / 600, wait);
      signals.push(given);
      await wait.promise;
      into.fill(fragment * 16 + into.byteLength - 600);
    },
  });
  const sink = new ParallelSink<Chunk>({
    name: 'sink',
    concurrency: () => 1,
    consume: async (chunk) => {
      chunks.push({ ...chunk, pieces: chunk.pieces.map((piece) => Buffer.from(piece)) });
      chunk.lease.release();
    },
  });
  const chain = new Chain<never>(
    [
      Readable.from(
        Array.from({ length: count }, (_, index) => stored(index)),
        { highWaterMark: 1 },
      ),
      fetcher,
      sink,
    ],
    {
      signal,
      onClosed: () => {
        scope.releaseAll();
        pool.close();
      },
    },
  );
  return { chain, budget, scope, bridge, reads, chunks, signals };
}

const held = ({ budget, scope, bridge }: Rig): number[] => [budget.used, budget.waiting, scope.size, bridge.liveSlabs];

t.test('several reads at once, chunks in order with what the index says', async (t) => {
  const env = rig(6, 3);
  await turns();
  t.strictSame([...env.reads.keys()], [0, 1, 2], 'the read-ahead');
  for (const at of [2, 1]) env.reads.get(at)?.open();
  await turns();
  t.strictSame([env.chunks.length, env.reads.size], [0, 3], 'the first is still missing');
  for (let at = 0; at < 6; at += 1) {
    env.reads.get(at)?.open();
    await turns();
  }
  await env.chain.done;
  t.strictSame(
    env.chunks.map(({ index, offset, length, leaves, pieces }) => [index, offset, length, leaves, pieces]),
    [0, 1, 2, 3, 4, 5].map((index) => [
      index,
      index * 1000,
      1000,
      Buffer.alloc(32, index),
      [Buffer.alloc(600 + index, (1 + (index >> 2)) * 16 + index)],
    ]),
  );
  t.strictSame(held(env), [0, 0, 0, 0]);
});

t.test('reads wait for the budget, in order', async (t) => {
  const env = rig(4, 4, 2 * PAGE);
  await turns();
  t.strictSame([...env.reads.keys()], [0, 1]);
  for (let at = 0; at < 4; at += 1) {
    env.reads.get(at)?.open();
    await turns();
  }
  await env.chain.done;
  t.equal(env.chunks.length, 4);
  t.ok(env.bridge.peakBytes <= 2 * PAGE);
});

t.test('a read that fails: the others are told to stop, nothing stays held', async (t) => {
  const env = rig(5, 3, 2 * PAGE);
  await turns();
  const root = new EngineError('VOST_SHORT_READ', 'not-found', 'gone');
  env.reads.get(1)?.fail(root);
  await turns();
  t.ok(env.signals.every(({ aborted }) => aborted));
  env.reads.get(0)?.open();
  await t.rejects(env.chain.done, root);
  t.strictSame(held(env), [0, 0, 0, 0]);
  t.strictSame(env.chunks, []);
});

t.test('abort while reads are under way and others wait for memory', async (t) => {
  const controller = new AbortController();
  const env = rig(5, 4, 2 * PAGE, controller.signal);
  await turns();
  t.ok(env.budget.waiting > 0);
  controller.abort();
  for (const wait of env.reads.values()) wait.open();
  await t.rejects(env.chain.done, { code: 'VOST_ABORTED' });
  t.strictSame(held(env), [0, 0, 0, 0]);
});
