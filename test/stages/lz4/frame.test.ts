import assert from 'node:assert/strict';
import fc from 'fast-check';
import { xxhash32 } from 'hash-wasm';
import { compressFrame, decompressFrame } from 'lz4-napi';
import t from 'tap';
import { EngineError } from '../../../src/errors.ts';
import { inspectFrame, STORED_BLOCK_BYTES, storedFrame, storedFrameBytes } from '../../../src/stages/lz4/frame.ts';
import { LEAF_BYTES, noise, prose } from '../../support/chunks.ts';
import { frameOf, word } from '../../support/lz4-frames.ts';
import { xxh32 } from '../../support/xxh32.ts';

const KIB = 1024;

/** What inspection says, or undefined when it refuses. Anything but an integrity error is a failure of the test. */
function inspected(frame: Uint8Array, limit: number): ReturnType<typeof inspectFrame> | undefined {
  try {
    return inspectFrame(frame, limit);
  } catch (error) {
    assert.ok(error instanceof EngineError, String(error));
    assert.deepEqual([error.code, error.failure], ['VOST_CORRUPT_FRAME', 'integrity']);
    return undefined;
  }
}

t.test('the header of stored frames has the checksum that the format asks for', async (t) => {
  const [header] = storedFrame(Buffer.of(1), 0);
  const digest = await xxhash32(Uint8Array.of(0x64, 0x70));
  t.equal(header?.[6], Number.parseInt(digest.slice(4, 6), 16));
});

t.test('a stored frame: its length, its memory, its content', async (t) => {
  for (const length of [
    1,
    LEAF_BYTES,
    STORED_BLOCK_BYTES - 1,
    STORED_BLOCK_BYTES,
    STORED_BLOCK_BYTES + 1,
    2 * STORED_BLOCK_BYTES + 77,
  ]) {
    const data = noise(length);
    const pieces = storedFrame(data, xxh32([data]));
    const frame = Buffer.concat(pieces);
    t.equal(frame.byteLength, storedFrameBytes(length), `${length} bytes`);
    const blocks = pieces.filter(({ buffer }) => buffer === data.buffer);
    t.equal(
      blocks.reduce((sum, { byteLength }) => sum + byteLength, 0),
      length,
      'nothing is copied',
    );
    t.ok((await decompressFrame(frame)).equals(data), 'a decoder gives the data, and its checksum is right');
    const { stored, checksum } = inspectFrame(frame, length);
    t.ok(Buffer.concat(stored ?? []).equals(data));
    t.ok(
      stored?.every(({ buffer }) => buffer === frame.buffer),
      'views of the frame',
    );
    t.equal(checksum, xxh32([data]));
  }
});

t.test('inspection of what compressors make', async (t) => {
  for (const data of [prose(1), prose(70_000), prose(1_000_000), noise(300_000), prose(9 * 1024 * KIB)]) {
    for (const options of [{}, { contentChecksum: true }, { contentChecksum: true, blockChecksums: true }]) {
      const frame = await compressFrame(data, options);
      const { checksum } = inspectFrame(frame, data.byteLength);
      t.equal(checksum, options.contentChecksum ? xxh32([data]) : undefined);
    }
  }
});

t.test('what is refused, and what for', async (t) => {
  const data = noise(1000);
  const block = { data, stored: true };
  const good = frameOf([block], { size: 4, contentChecksum: xxh32([data]) });
  t.ok(inspected(good, 1000));
  const cut = (from: number, to: number): Buffer => good.subarray(from, to);
  const version = Buffer.from(good);
  version[4] = 0xa4;
  const cases: [what: RegExp, frame: Uint8Array, limit: number][] = [
    [/no LZ4 frame/, Buffer.alloc(0), 1000],
    [/no LZ4 frame/, good.subarray(0, 14), 1000],
    [/no LZ4 frame/, Buffer.concat([Buffer.of(0), good]), 1000],
    [/no LZ4 frame/, version, 1000],
    [/no LZ4 frame/, frameOf([block], { size: 3 }), 1000],
    [/dictionary/, frameOf([block], { size: 4, dictionary: true }), 1000],
    [/ends early/, cut(0, good.length - 8), 1000],
    [/ends early/, cut(0, good.length - 6), 1000],
    [/bytes after the end/, cut(0, good.length - 1), 1000],
    [/bytes after the end/, Buffer.concat([good, good]), 2000],
    [/beyond its end/, Buffer.concat([good.subarray(0, 7), word(0x80000000 | 65_537), Buffer.alloc(70_000)]), 70_000],
    [/beyond its end/, Buffer.concat([good.subarray(0, 7), word(0xffffffff), Buffer.alloc(100)]), 1000],
    [/more than 0 bytes/, good, 0],
    [/more than 65536 bytes/, frameOf([block, block], { size: 4 }), 65_536],
  ];
  for (const [what, frame, limit] of cases) {
    t.throws(() => inspectFrame(frame, limit), { code: 'VOST_CORRUPT_FRAME', failure: 'integrity', message: what });
  }
});

t.test('block checksums and content sizes are stepped over', async (t) => {
  const blocks = [
    { data: noise(100), stored: true },
    { data: noise(50, 2), stored: true },
  ];
  const frame = frameOf(blocks, { size: 5, blockChecksum: true, contentSize: 150n, contentChecksum: 7 });
  const shape = inspected(frame, 512 * KIB);
  t.strictSame(
    shape?.stored?.map((block) => Buffer.from(block)),
    blocks.map(({ data }) => data),
  );
  t.equal(shape?.checksum, 7);
});

t.test('bombs: what passes decodes to the limit and less than one block more, or not at all', async (t) => {
  const MOST = { 4: 64 * KIB, 5: 256 * KIB, 6: 1024 * KIB, 7: 4096 * KIB } as const;
  // Many blocks that each decode to a full block.
  const bomb = await compressFrame(Buffer.alloc(64 * 1024 * KIB));
  t.equal(inspected(bomb, 1024 * KIB), undefined);
  // One block that claims to decode to far more than a block may.
  const fat = Buffer.concat([
    Buffer.of(0x1f, 0x61, 1, 0),
    Buffer.alloc(20_000, 255),
    Buffer.of(0, 0x50, 1, 2, 3, 4, 5),
  ]);
  for (const size of [4, 5, 6, 7] as const) {
    const frame = frameOf([{ data: fat, stored: false }], { size });
    t.ok(inspected(frame, MOST[size]));
    const result = await decompressFrame(frame).catch((error: Error) => error);
    t.ok(result instanceof Error || result.byteLength <= MOST[size], `block size ${MOST[size]}`);
  }
  // A content size that nobody could hold: the decoder must not believe it.
  const liar = frameOf([{ data: Buffer.of(1), stored: true }], { size: 4, contentSize: 1n << 60n });
  await t.rejects(decompressFrame(liar));
});

t.test('property: mutated frames give an integrity error or a shape within the limit, and so does noise', async (t) => {
  const samples = [
    await compressFrame(prose(5000), { contentChecksum: true }),
    await compressFrame(prose(200_000), { contentChecksum: true, blockChecksums: true }),
    await compressFrame(noise(3000)),
    Buffer.concat(storedFrame(noise(2000), 1)),
    frameOf(
      [
        { data: noise(10), stored: true },
        { data: prose(20), stored: false },
      ],
      { size: 4, contentSize: 30n },
    ),
  ];
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at: fc.nat(), value: fc.nat(255) }),
    // Where headers lie, so that they are hit often.
    fc.record({ kind: fc.constant('set' as const), at: fc.nat(20), value: fc.nat(255) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), value: fc.nat(20) }),
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), value: fc.nat(255) }),
  );
  const check = async (frame: Buffer, limit: number): Promise<void> => {
    const shape = inspected(frame, limit);
    if (shape === undefined) return;
    const code = ((frame[5] ?? 0) >> 4) & 7;
    const block = 4 ** (code - 4) * 64 * KIB;
    const most = Math.ceil(limit / block) * block;
    const { stored } = shape;
    if (stored !== undefined) {
      assert.ok(stored.reduce((sum, { byteLength }) => sum + byteLength, 0) <= most);
      return;
    }
    const result = await decompressFrame(frame).catch((error: Error) => error);
    assert.ok(result instanceof Error || result.byteLength <= most, 'decoded to more');
  };
  let passed = 0;
  await t.resolves(
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...samples),
        fc.array(mutation, { maxLength: 4 }),
        fc.integer({ min: 0, max: 300_000 }),
        async (sample, mutations, limit) => {
          let frame: Buffer = Buffer.from(sample);
          for (const { kind, at: place, value } of mutations) {
            const at = place % (frame.byteLength + 1);
            if (kind === 'set' && at < frame.byteLength) frame[at] = value;
            else if (kind === 'cut') frame = Buffer.concat([frame.subarray(0, at), frame.subarray(at + value)]);
            else if (kind === 'insert')
              frame = Buffer.concat([frame.subarray(0, at), Buffer.of(value), frame.subarray(at)]);
          }
          await check(frame, limit);
          if (inspected(frame, limit) !== undefined) passed += 1;
        },
      ),
      { numRuns: 3000 },
    ),
  );
  t.ok(passed > 100, `${passed} frames passed`);
  const header = Buffer.of(0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9);
  await t.resolves(
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.boolean(), async (bytes, withHeader) => {
        await check(Buffer.concat(withHeader ? [header, bytes] : [bytes]), 1000);
      }),
      { numRuns: 2000 },
    ),
  );
});
