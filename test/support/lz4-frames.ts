import { xxh32 } from './xxh32.ts';

export interface Block {
  readonly data: Uint8Array;
  readonly stored: boolean;
}

export interface Shape {
  /** Code of the block size, 4 to 7. */
  readonly size: number;
  readonly contentSize?: bigint;
  readonly contentChecksum?: number;
  readonly blockChecksum?: boolean;
  readonly dictionary?: boolean;
}

/** 32 bits, little-endian. */
export const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};

/** Any frame, also such as no compressor makes; headers are right. */
export function frameOf(blocks: readonly Block[], { size, contentSize, contentChecksum, ...flags }: Shape): Buffer {
  const length = Buffer.alloc(contentSize === undefined ? 0 : 8);
  if (contentSize !== undefined) length.writeBigUInt64LE(contentSize);
  const flag =
    0x60 |
    (flags.blockChecksum ? 0x10 : 0) |
    (contentSize === undefined ? 0 : 0x08) |
    (contentChecksum === undefined ? 0 : 0x04) |
    (flags.dictionary ? 0x01 : 0);
  const descriptor = Buffer.concat([Buffer.of(flag, size << 4), length, flags.dictionary ? word(1) : Buffer.alloc(0)]);
  return Buffer.concat([
    Buffer.of(0x04, 0x22, 0x4d, 0x18),
    descriptor,
    Buffer.of((xxh32([descriptor]) >> 8) & 0xff),
    ...blocks.flatMap(({ data, stored }) => [
      word(data.byteLength | (stored ? 0x80000000 : 0)),
      data,
      flags.blockChecksum ? word(xxh32([data])) : Buffer.alloc(0),
    ]),
    word(0),
    contentChecksum === undefined ? Buffer.alloc(0) : word(contentChecksum),
  ]);
}
