import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import t from 'tap';
import { EngineError } from '../../../src/errors.ts';
import {
  FRAME_BYTES,
  inspectFrames,
  STORED_BLOCK_BYTES,
  storedFrame,
  storedFrameBytes,
} from '../../../src/stages/lz4/frame.ts';
import { promise } from '../../support/promise.ts';
import { xxh32 } from '../../support/xxh32.ts';

const MIB = 1024 * 1024;
const noise = (length: number): Buffer => createHash('shake256', { outputLength: length }).digest();

function checksumOf(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(xxh32([data]));
  return bytes;
}

t.test('a stored frame decodes to its data, refers to it, and has the length foretold', async (t) => {
  for (const length of [
    1,
    100,
    STORED_BLOCK_BYTES - 1,
    STORED_BLOCK_BYTES,
    STORED_BLOCK_BYTES + 1,
    3 * STORED_BLOCK_BYTES,
  ]) {
    const data = noise(length);
    const pieces = storedFrame(data, checksumOf(data));
    const frame = Buffer.concat(pieces);
    t.equal(frame.byteLength, storedFrameBytes(length));
    t.ok(decompressFrameSync(frame).equals(data), `${length} bytes`);
    t.ok(
      pieces.some((piece) => piece.buffer === data.buffer && piece.byteOffset === data.byteOffset),
      'nothing is copied',
    );
    const [found, ...more] = inspectFrames(frame, length);
    t.equal(more.length, 0);
    t.ok(Buffer.concat(found?.stored ?? []).equals(data));
  }
});

t.test('a sequence of frames is taken apart at the right places', async (t) => {
  const parts = [noise(1000), Buffer.alloc(FRAME_BYTES, 'text '), noise(70_000), Buffer.alloc(1)];
  const frames = parts.map((part) => compressFrameSync(part, { contentChecksum: true }));
  const found = inspectFrames(Buffer.concat(frames), FRAME_BYTES);
  t.same(
    found.map(({ bytes }) => bytes.byteLength),
    frames.map(({ byteLength }) => byteLength),
  );
  for (const [at, { bytes }] of found.entries())
    t.ok(decompressFrameSync(Buffer.from(bytes)).equals(parts[at] as Buffer));
});

const refuses = (bytes: Uint8Array, limit: number): boolean => {
  try {
    inspectFrames(bytes, limit);
    return false;
  } catch (error) {
    if (error instanceof EngineError && error.failure === 'integrity') return true;
    throw error;
  }
};

t.test('a frame that could decode to more than it may is refused before anything decodes it', async (t) => {
  promise({
    row: 'security',
    promise: 'A compression bomb is refused before anything decodes it',
    fault: 'frames that declare, or whose blocks could decode to, more than their chunk',
  });
  const bomb = compressFrameSync(Buffer.alloc(64 * MIB), { contentChecksum: true });
  t.ok(bomb.byteLength < MIB);
  t.ok(refuses(bomb, 64 * MIB), 'a compressed frame has at most 4 MiB of content');
  const blocks = Buffer.concat([noise(2 * MIB), Buffer.alloc(2 * MIB)]);
  t.notOk(refuses(compressFrameSync(blocks), 4 * MIB));
  const stored = Buffer.concat(storedFrame(noise(2 * MIB), Buffer.alloc(4)));
  t.ok(refuses(stored, 2 * MIB - 1));
  t.notOk(refuses(stored, 2 * MIB));
});

t.test('whatever the bytes, there is an answer or an integrity error', async (t) => {
  const good = Buffer.concat([
    ...storedFrame(noise(300), Buffer.alloc(4)),
    compressFrameSync(Buffer.alloc(5000, 'abc'), { contentChecksum: true, blockChecksums: true }),
  ]);
  t.notOk(refuses(good, 6000));
  fc.assert(
    fc.property(fc.nat(good.byteLength - 1), fc.nat(255), (at, byte) => {
      const bad = Buffer.from(good);
      bad[at] = byte;
      refuses(bad, 6000);
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(
      fc.nat(good.byteLength),
      (length) => length === good.byteLength || length === firstFrame || refuses(good.subarray(0, length), 6000),
    ),
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.boolean(),
      (bytes, magic) => refuses(magic ? Buffer.concat([good.subarray(0, 7), bytes]) : bytes, 100) || magic,
    ),
  );
});

/** Length of the first frame of the sample above: a sequence may end there. */
const firstFrame = storedFrameBytes(300);
