import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { xxhash32 } from 'hash-wasm';
import t from 'tap';
import { LEAF_BYTES } from '../../src/bridge/bridge.ts';
import { JsBridge } from './js-bridge.ts';

t.test('xxh32 is that of hash-wasm, however the bytes are split', async (t) => {
  const bridge = new JsBridge();
  const hex = async (pieces: readonly Uint8Array[]): Promise<string> =>
    (await bridge.xxh32(pieces)).readUInt32LE().toString(16).padStart(8, '0');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 4 }), async (pieces) => {
      t.equal(await hex(pieces), await xxhash32(Buffer.concat(pieces)));
    }),
    { numRuns: 300 },
  );
  for (let length = 0; length < 40; length += 1) {
    const data = Buffer.alloc(length, 'xxhash');
    t.equal(await hex([data]), await xxhash32(data), `${length} bytes`);
  }
});

t.test('digests', async (t) => {
  const bridge = new JsBridge();
  const data = Buffer.alloc(LEAF_BYTES + 1, 7);
  const sha256 = (part: Uint8Array): Buffer => createHash('sha256').update(part).digest();
  t.strictSame(
    await bridge.leafDigests(data),
    Buffer.concat([sha256(data.subarray(0, LEAF_BYTES)), sha256(data.subarray(LEAF_BYTES))]),
  );
  t.equal((await bridge.leafDigests(new Uint8Array(0))).byteLength, 0);
  t.strictSame(await bridge.sha256([data.subarray(0, 5), data.subarray(5)]), sha256(data));
  t.strictSame(await bridge.md5([Buffer.from('a'), Buffer.from('bc')]), createHash('md5').update('abc').digest());
});

t.test('slabs are counted, trimmed and detached', async (t) => {
  const bridge = new JsBridge();
  const slab = bridge.allocSlab(8192);
  new Uint8Array(slab).fill(1);
  bridge.trimSlab(slab);
  t.equal(new Uint8Array(slab)[8191], 0);
  t.strictSame([bridge.liveSlabs, bridge.liveBytes, bridge.peakBytes], [1, 8192, 8192]);
  bridge.freeSlab(slab);
  bridge.freeSlab(slab);
  t.ok(slab.detached);
  t.strictSame([bridge.liveSlabs, bridge.liveBytes, bridge.allocated], [0, 0, 1]);
  t.throws(() => bridge.allocSlab(4095), RangeError);
});
