import { createHash, randomFillSync } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { bridge, DIGEST_BYTES, LEAF_BYTES } from '../../src/bridge/bridge.ts';

const slab = bridge.allocSlab(8 * LEAF_BYTES);
const pool = randomFillSync(new Uint8Array(slab));

function digestOf(algorithm: string, pieces: readonly Uint8Array[]): Buffer {
  const hash = createHash(algorithm);
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

function leavesOf(data: Uint8Array): Buffer {
  const digests: Buffer[] = [];
  for (let offset = 0; offset < data.length; offset += LEAF_BYTES) {
    digests.push(digestOf('sha256', [data.subarray(offset, offset + LEAF_BYTES)]));
  }
  return Buffer.concat(digests);
}

/** A view of the pool: sizes around the borders of blocks and leaves, any offset. */
const view = fc
  .tuple(
    fc.oneof(
      fc.nat({ max: 300 }),
      fc.constantFrom(0, 1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 3 * LEAF_BYTES, 5 * LEAF_BYTES + 77),
      fc.nat({ max: 3 * LEAF_BYTES }),
    ),
    fc.oneof(fc.nat({ max: 130 }), fc.nat({ max: 2 * LEAF_BYTES })),
  )
  .map(([size, offset]) => pool.subarray(offset, offset + size));

t.test('leafDigests equals the digest of every leaf', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(view, { minLength: 1, maxLength: 6 }), async (views) => {
      const digests = await Promise.all(views.map((data) => bridge.leafDigests(data)));
      return digests.every((digest, i) => digest.equals(leavesOf(views[i] ?? pool)));
    }),
    { numRuns: 40 },
  );
});

t.test('sha256 and md5 equal the digests of the joined pieces, many calls at once', async () => {
  const call = fc.record({ md5: fc.boolean(), pieces: fc.array(view, { maxLength: 4 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 24 }), async (calls) => {
      const digests = await Promise.all(
        calls.map(({ md5, pieces }) => (md5 ? bridge.md5(pieces) : bridge.sha256(pieces))),
      );
      return calls.every(({ md5, pieces }, i) => digests[i]?.equals(digestOf(md5 ? 'md5' : 'sha256', pieces)));
    }),
    { numRuns: 15 },
  );
});

t.test('all three kinds side by side, more calls than lanes', async (t) => {
  const views = Array.from({ length: 40 }, (_, i) => pool.subarray(i * 3, i * 3 + (i % 3) * LEAF_BYTES + i * 1000));
  const [leaves, sha256, md5] = await Promise.all([
    Promise.all(views.map((data) => bridge.leafDigests(data))),
    Promise.all(views.map((data) => bridge.sha256([data]))),
    Promise.all(views.map((data) => bridge.md5([data]))),
  ]);
  t.same(leaves, views.map(leavesOf));
  t.same(
    sha256,
    views.map((data) => digestOf('sha256', [data])),
  );
  t.same(
    md5,
    views.map((data) => digestOf('md5', [data])),
  );
});

t.test('no bytes', async (t) => {
  t.equal((await bridge.leafDigests(new Uint8Array(0))).length, 0);
  t.same(await bridge.sha256([]), digestOf('sha256', []));
  t.same(await bridge.md5([new Uint8Array(0), new Uint8Array(0)]), digestOf('md5', []));
});

t.test('results are Buffers of their own memory', async (t) => {
  const digest = await bridge.leafDigests(pool.subarray(0, 2 * LEAF_BYTES));
  t.ok(Buffer.isBuffer(digest));
  t.equal(digest.length, 2 * DIGEST_BYTES);
  t.equal(digest.buffer.byteLength, 2 * DIGEST_BYTES);
});

t.test('memory of other kinds: small Buffers, shared memory, a changed array of pieces', async (t) => {
  const shared = new Uint8Array(new SharedArrayBuffer(5000));
  shared.set(pool.subarray(0, 5000));
  const expected = digestOf('sha256', [pool.subarray(0, 5000)]);
  t.same(await bridge.sha256([shared]), expected);
  t.same(await bridge.leafDigests(shared), expected);
  const pieces = [Buffer.from('some'), Buffer.from('text')];
  const pending = bridge.sha256(pieces);
  pieces.length = 0;
  t.same(await pending, digestOf('sha256', [Buffer.from('sometext')]));
});
