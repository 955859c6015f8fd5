import { EngineError } from '../../errors.ts';

/**
 * The LZ4 frame format, as far as we build and inspect frames ourselves
 * (github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md): magic, FLG, BD, HC, blocks of u32 length (top bit: stored) and
 * data, end mark, content checksum.
 */
const MAGIC = 0x184d2204;
const STORED = 0x80000000;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const FLAG_DICTIONARY = 0x01;
/** Their last byte is the second one of the descriptor's xxHash-32, as the format asks; checked in the tests. */
const STORED_HEADER = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9);
const UNCHECKED_HEADER = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73);

const END_MARK = new Uint8Array(4);

/** Block size of the frames that we build. A multiple of the leaf size, so that each block can be verified alone. */
export const STORED_BLOCK_BYTES = 4 * 1024 * 1024;

/** Length of {@link storedFrame} with a checksum for `length` bytes; without it is shorter. */
export function storedFrameBytes(length: number): number {
  return STORED_HEADER.byteLength + 4 * Math.ceil(length / STORED_BLOCK_BYTES) + length + 8;
}

/**
 * A frame that holds the bytes as they are, in stored blocks. The pieces refer to `data`: nothing is copied.
 *
 * @param checksum xxHash-32 of `data`, 4 bytes, little-endian; absent: a frame without content checksum.
 */
export function storedFrame(data: Uint8Array, checksum?: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [checksum === undefined ? UNCHECKED_HEADER : STORED_HEADER];
  for (let at = 0; at < data.byteLength; at += STORED_BLOCK_BYTES) {
    const block = data.subarray(at, at + STORED_BLOCK_BYTES);
    pieces.push(u32((STORED | block.byteLength) >>> 0), block);
  }
  pieces.push(END_MARK, ...(checksum === undefined ? [] : [checksum]));
  return pieces;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** Most content of a compressed frame, bytes. A multiple of the leaf size. */
export const FRAME_BYTES = 4 * 1024 * 1024;

/** A frame that {@link inspectFrames} found. */
export interface Frame {
  /** The whole frame; a view. */
  readonly bytes: Uint8Array;
  /** Its stored blocks in order when it has nothing else, else undefined. Views. */
  readonly stored: readonly Uint8Array[] | undefined;
}

/**
 * Walk through a sequence of frames and check, before any decoder allocates memory for them, that none can decode to much
 * more than it may: `limit` bytes for a frame of stored blocks, {@link FRAME_BYTES} for a compressed one, and one block more.
 * Throws class `integrity` when the bytes are not such frames.
 */
export function inspectFrames(bytes: Uint8Array, limit: number): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  do {
    const frame = inspectFrame(bytes.subarray(at), limit);
    frames.push(frame);
    at += frame.bytes.byteLength;
  } while (at < bytes.byteLength);
  return frames;
}

/** The frame at the beginning of the bytes. */
function inspectFrame(bytes: Uint8Array, limit: number): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = bytes[4] ?? 0;
  const blockBytes = BLOCK_BYTES[((bytes[5] ?? 0) >> 4) & 7];
  if (bytes.byteLength < 11 || view.getUint32(0, true) !== MAGIC || flags >> 6 !== 1 || blockBytes === undefined) {
    throw bad('no LZ4 frame');
  }
  if (flags & FLAG_DICTIONARY) throw bad('an LZ4 frame with a dictionary');
  let at = 7 + (flags & FLAG_CONTENT_SIZE ? 8 : 0);
  const afterBlock = flags & FLAG_BLOCK_CHECKSUM ? 4 : 0;
  const stored: Uint8Array[] = [];
  let compressed = 0;
  let storedBytes = 0;
  for (;;) {
    if (at + 4 > bytes.byteLength) throw bad('an LZ4 frame that ends early');
    const header = view.getUint32(at, true);
    at += 4;
    if (header === 0) break;
    const size = (header & ~STORED) >>> 0;
    if (size > blockBytes || at + size + afterBlock > bytes.byteLength) {
      throw bad('an LZ4 frame with a block beyond its end');
    }
    if (header & STORED) {
      stored.push(bytes.subarray(at, at + size));
      storedBytes += size;
    } else {
      compressed += 1;
    }
    if (
      storedBytes > limit ||
      (compressed > 0 && (compressed - 1) * blockBytes + storedBytes >= Math.max(1, Math.min(limit, FRAME_BYTES)))
    ) {
      throw bad(`an LZ4 frame that decodes to more than ${limit} bytes`);
    }
    at += size + afterBlock;
  }
  at += flags & FLAG_CONTENT_CHECKSUM ? 4 : 0;
  if (at > bytes.byteLength) throw bad('an LZ4 frame that ends early');
  return { bytes: bytes.subarray(0, at), stored: compressed === 0 ? stored : undefined };
}

/** Block size by the BD byte's code. */
const BLOCK_BYTES: Readonly<Record<number, number>> = {
  4: 64 * 1024,
  5: 256 * 1024,
  6: 1024 * 1024,
  7: STORED_BLOCK_BYTES,
};

function bad(found: string): EngineError {
  return new EngineError('VOST_CORRUPT_FRAME', 'integrity', `a stored chunk is ${found}`);
}
