/**
 * The additional checksums of S3. Names, header names and the CRC-64/NVME polynomial: public
 * "Checking object integrity" chapter of the Amazon S3 user guide and the NVMe specification.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { createCRC32, createCRC64, type IHasher } from 'hash-wasm';

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64; a composite ends in `-<parts>`. */
  readonly value: string;
}

/** Digest lengths, bytes. */
export const CHECKSUM_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

/** Reflected polynomials. */
export const CRC32C_POLYNOMIAL = 0x82f63b78;
export const CRC64NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

/** A digest that takes its input piece by piece. */
export interface RunningChecksum {
  update(piece: Uint8Array): void;
  /** Big-endian bytes; ends the run. */
  digest(): Buffer;
}

/** `crc32` for CRC32 and so on: the end of the header name. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The algorithm of that name in any case, undefined when there is none. */
export function checksumAlgorithm(name: string): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === name.toUpperCase());
}

/** Idle WebAssembly hashers: each holds 64 KiB or more, so they are used again. */
const idle: Readonly<Record<'CRC32C' | 'CRC64NVME', IHasher[]>> = { CRC32C: [], CRC64NVME: [] };

async function pooled(algorithm: 'CRC32C' | 'CRC64NVME'): Promise<RunningChecksum> {
  const hasher =
    idle[algorithm].pop() ??
    (algorithm === 'CRC32C'
      ? await createCRC32(CRC32C_POLYNOMIAL)
      : await createCRC64(CRC64NVME_POLYNOMIAL.toString(16)));
  hasher.init();
  return {
    update: (piece) => {
      hasher.update(piece);
    },
    digest: () => {
      const digest = Buffer.from(hasher.digest('binary'));
      idle[algorithm].push(hasher);
      return digest;
    },
  };
}

/** Begin a digest. */
export async function startChecksum(algorithm: ChecksumAlgorithm): Promise<RunningChecksum> {
  switch (algorithm) {
    case 'SHA1':
    case 'SHA256': {
      const hash = createHash(algorithm);
      return { update: (piece) => void hash.update(piece), digest: () => hash.digest() };
    }
    case 'CRC32': {
      let value = 0;
      return {
        update: (piece) => {
          value = crc32(piece, value);
        },
        digest: () => {
          const digest = Buffer.alloc(4);
          digest.writeUInt32BE(value);
          return digest;
        },
      };
    }
    case 'CRC32C':
    case 'CRC64NVME':
      return pooled(algorithm);
  }
}
