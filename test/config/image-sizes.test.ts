import t from 'tap';
import { imageSizes } from '../../src/config/image-sizes.ts';
import { FlowControl } from '../../src/vast/flow/flow-control.ts';

const MIB = 2 ** 20;
const limits = { minPartBytes: 5 * MIB, maxPartBytes: 1e9, maxParts: 10_000, maxObjectBytes: 1e12 };
const flowFor = (memory: number): FlowControl =>
  new FlowControl({ most: { write: undefined, read: undefined }, parts: { memory, streams: 16 } });
const AUTO = { chunk_size_mb: 64 * MIB, part_size_mb: 'auto' } as const;

t.test('as the settings say', async (t) => {
  const given = { chunk_size_mb: 8 * MIB, part_size_mb: 64 * MIB } as const;
  t.strictSame(imageSizes(given, { limits, flow: flowFor(256 * MIB) }), { chunkBytes: 8 * MIB, partBytes: 64 * MIB });
});

t.test('or one chunk for each part, as the flow has it', async (t) => {
  const sizes = (memory: number, chunk_size_mb = 64 * MIB): number => {
    const { chunkBytes, partBytes } = imageSizes({ ...AUTO, chunk_size_mb }, { limits, flow: flowFor(memory) });
    t.equal(partBytes, chunkBytes);
    return chunkBytes;
  };
  t.equal(sizes(256 * MIB), 16 * MIB);
  t.equal(sizes(4096 * MIB), 64 * MIB);
  t.equal(sizes(4096 * MIB, 20 * MIB), 20 * MIB, 'the longest chunk');
  t.equal(sizes(32 * MIB), 5 * MIB, 'what the store takes');
  t.equal(imageSizes(AUTO, { limits }).chunkBytes, 64 * MIB, 'a store without a flow');
});
