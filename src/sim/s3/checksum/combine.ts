/**
 * The CRC of a whole object from the CRCs of its parts. Appending `n` zero bits multiplies a CRC by
 * x^n modulo the polynomial, so CRC(A then B) = CRC(A) * x^(8 * |B|) + CRC(B).
 */
import {
  type Checksum,
  type ChecksumAlgorithm,
  type ChecksumType,
  CRC32C_POLYNOMIAL,
  CRC64NVME_POLYNOMIAL,
  startChecksum,
} from './algorithms.ts';

interface Field {
  readonly width: number;
  readonly polynomial: bigint;
}

const FIELDS: Readonly<Partial<Record<ChecksumAlgorithm, Field>>> = {
  CRC32: { width: 32, polynomial: 0xedb88320n },
  CRC32C: { width: 32, polynomial: BigInt(CRC32C_POLYNOMIAL) },
  CRC64NVME: { width: 64, polynomial: CRC64NVME_POLYNOMIAL },
};

/** Product modulo the polynomial; reflected, so the top bit is x^0. */
function multiply(a: bigint, b: bigint, field: Field): bigint {
  let product = 0n;
  let shifted = b;
  for (let bit = 1n << BigInt(field.width - 1); bit > 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= shifted;
    shifted = (shifted & 1n) === 0n ? shifted >> 1n : (shifted >> 1n) ^ field.polynomial;
  }
  return product;
}

/** x^(8 * bytes) modulo the polynomial, by squaring. */
function shiftBy(bytes: number, field: Field): bigint {
  let result = 1n << BigInt(field.width - 1);
  let square = 1n << BigInt(field.width - 9);
  for (let n = BigInt(bytes); n > 0n; n >>= 1n) {
    if ((n & 1n) === 1n) result = multiply(result, square, field);
    square = multiply(square, square, field);
  }
  return result;
}

/** CRC of two strings of bytes, one after the other, from the CRC of each and the length of the second. */
export function combineCrc(algorithm: ChecksumAlgorithm, first: Buffer, second: Buffer, secondBytes: number): Buffer {
  return combineAll(algorithm, [
    { digest: first, size: 0 },
    { digest: second, size: secondBytes },
  ]);
}

function combineAll(algorithm: ChecksumAlgorithm, parts: readonly { digest: Buffer; size: number }[]): Buffer {
  const field = FIELDS[algorithm];
  if (field === undefined) throw new TypeError(`${algorithm} cannot be combined`);
  // Parts of one upload mostly have one size, and the power is the dear half of the work.
  const powers = new Map<number, bigint>();
  let total = 0n;
  for (const { digest, size } of parts) {
    const power = powers.get(size) ?? shiftBy(size, field);
    powers.set(size, power);
    total = multiply(total, power, field) ^ BigInt(`0x${digest.toString('hex')}`);
  }
  return Buffer.from(total.toString(16).padStart(field.width / 4, '0'), 'hex');
}

export interface PartChecksum {
  readonly size: number;
  /** Base64. */
  readonly value: string;
}

/** The checksum of a multipart object: of its bytes, or of the parts' checksums with `-<parts>` at its end. */
export async function objectChecksum(
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly PartChecksum[],
): Promise<Checksum> {
  const digests = parts.map(({ size, value }) => ({ size, digest: Buffer.from(value, 'base64') }));
  if (type === 'FULL_OBJECT') {
    return { algorithm, type, value: combineAll(algorithm, digests).toString('base64') };
  }
  const running = await startChecksum(algorithm);
  for (const { digest } of digests) running.update(digest);
  return { algorithm, type, value: `${running.digest().toString('base64')}-${parts.length}` };
}
