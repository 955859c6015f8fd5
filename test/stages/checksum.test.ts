import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { ByteBudget } from '../../src/pipeline/byte-budget.ts';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { LeaseScope } from '../../src/pipeline/lease.ts';
import { configureStage } from '../../src/pipeline/stage-registry.ts';
import { checksumStage } from '../../src/stages/checksum.ts';
import { chunkOf, LEAF_BYTES, never, noise } from '../support/chunks.ts';
import { JsBridge } from '../support/js-bridge.ts';
import { stageEnv } from '../support/stage-env.ts';

const env = stageEnv({ budget: new ByteBudget(1), scope: new LeaseScope(), bridge: new JsBridge() });
const stage = configureStage(checksumStage, {});
const forward = stage.forward(env);
const inverse = stage.inverse(env);

async function hashed(data: Uint8Array, more: Partial<Chunk> = {}): Promise<Chunk> {
  return forward.apply(chunkOf(data, more), never);
}

async function verdict(chunk: Chunk): Promise<EngineError | undefined> {
  try {
    assert.equal(await inverse.apply(chunk, never), chunk);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof EngineError, String(error));
    return error;
  }
}

t.test('adds a SHA-256 for every leaf and changes nothing else', async (t) => {
  const data = noise(2 * LEAF_BYTES + 5);
  const chunk = await hashed(data, { index: 3, offset: 99 });
  const leaves = [0, 1, 2].map((leaf) =>
    createHash('sha256')
      .update(data.subarray(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES))
      .digest(),
  );
  t.strictSame(chunk.leaves, Buffer.concat(leaves));
  t.strictSame([chunk.index, chunk.offset, chunk.length], [3, 99, data.byteLength]);
  t.equal(chunk.pieces[0], data);
  t.strictSame([stage.transforms, stage.bound(77)], [false, 77]);
});

t.test('whole chunks of edge sizes, in one piece and in pieces of whole leaves', async (t) => {
  for (const length of [1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 3 * LEAF_BYTES]) {
    const data = noise(length, length);
    const chunk = await hashed(data);
    t.equal(await verdict(chunk), undefined, `${length} bytes`);
    const pieces = [data.subarray(0, LEAF_BYTES), data.subarray(LEAF_BYTES)].filter(({ byteLength }) => byteLength > 0);
    t.equal(await verdict({ ...chunk, pieces }), undefined, `${length} bytes in ${pieces.length} pieces`);
  }
});

t.test('every flipped bit of a small last leaf is found, and one in every byte range of whole leaves', async (t) => {
  const data = noise(2 * LEAF_BYTES + 40);
  const chunk = await hashed(data, { index: 7, offset: 1_000_000_000 });
  const flip = (bit: number): void => {
    data[bit >> 3] = (data[bit >> 3] as number) ^ (1 << (bit & 7));
  };
  const expect = async (bit: number): Promise<void> => {
    flip(bit);
    const error = await verdict(chunk);
    flip(bit);
    const leaf = Math.floor((bit >> 3) / LEAF_BYTES);
    const offset = 1_000_000_000 + leaf * LEAF_BYTES;
    assert.equal(error?.code, 'VOST_CORRUPT');
    assert.equal(error.failure, 'integrity');
    assert.deepEqual(error.details, { chunk: 7, leaf, offset });
    assert.match(error.message, new RegExp(`offset ${offset} .*chunk 7, leaf ${leaf}`));
  };
  for (let bit = 2 * LEAF_BYTES * 8; bit < data.byteLength * 8; bit += 1) await expect(bit);
  // The leaves that are whole: their ends, and places in between.
  for (const leaf of [0, 1])
    for (const byte of [0, 1, 4095, 4096, LEAF_BYTES / 2, LEAF_BYTES - 1])
      for (let bit = 0; bit < 8; bit += 7) await expect((leaf * LEAF_BYTES + byte) * 8 + bit);
  t.equal(await verdict(chunk), undefined, 'and the untouched chunk is fine');
});

t.test('every flipped bit of a digest is found', async (t) => {
  const chunk = await hashed(noise(LEAF_BYTES + 3));
  const leaves = chunk.leaves as Uint8Array;
  for (let bit = 0; bit < leaves.byteLength * 8; bit += 5) {
    const wrong = Uint8Array.from(leaves);
    wrong[bit >> 3] = (wrong[bit >> 3] as number) ^ (1 << (bit & 7));
    const error = await verdict({ ...chunk, leaves: wrong });
    assert.deepEqual([error?.code, error?.details['leaf']], ['VOST_CORRUPT', bit >> 8]);
  }
  t.pass('all');
});

t.test('the wrong length, missing and surplus leaves', async (t) => {
  const data = noise(LEAF_BYTES + 3);
  const chunk = await hashed(data, { index: 4, offset: 50 });
  const leaves = chunk.leaves as Uint8Array;
  const { leaves: _, ...bare } = chunk;
  const cases: [string, Chunk, RegExp][] = [
    ['shorter', { ...chunk, pieces: [data.subarray(1)] }, /chunk 4 has 1048578 bytes where the index says 1048579/],
    ['longer', { ...chunk, pieces: [data, data.subarray(0, 1)] }, /chunk 4 has 1048580 bytes/],
    ['no bytes', { ...chunk, pieces: [] }, /chunk 4 has 0 bytes/],
    ['no digests', bare, /has 0 digests for chunk 4, which has 2 leaves/],
    ['a digest too few', { ...chunk, leaves: leaves.subarray(32) }, /has 1 digests for chunk 4/],
    ['a digest too many', { ...chunk, leaves: Buffer.concat([leaves, leaves.subarray(32)]) }, /has 3 digests/],
  ];
  for (const [name, wrong, message] of cases) {
    t.match(
      await verdict(wrong),
      { code: 'VOST_CORRUPT', failure: 'integrity', message, details: { chunk: 4, offset: 50 } },
      name,
    );
  }
});

t.test('options', async (t) => {
  t.strictSame(stage.record, { name: 'checksum', version: '1.0.0', options: { algorithm: 'sha256-tree' } });
  t.throws(() => configureStage(checksumStage, { algorithm: 'md5' }), { code: 'VOST_STAGE_OPTIONS' });
});
