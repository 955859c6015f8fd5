import fc from 'fast-check';
import { xxhash32 } from 'hash-wasm';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';

t.test('xxh32 agrees with another implementation, however the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }), async (pieces) => {
      const digest = await bridge.xxh32(pieces);
      return digest.readUInt32LE().toString(16).padStart(8, '0') === (await xxhash32(Buffer.concat(pieces)));
    }),
    { numRuns: 300, examples: [[[]], [[new Uint8Array(16)]], [[new Uint8Array(63), new Uint8Array(65)]]] },
  );
});
