import { lz4Codec } from './codec.ts';
import type { Lz4Work } from './pilot.ts';

const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 4;
/** Threads at full work, with all else that the processors do, take longer for the same than one that had nothing but samples to compress. */
const AT_WORK = 2;
/** For how much of an image a sample that does not shrink stands, bytes; the second when the one before did not shrink either. */
const STANDS_FOR = { once: 64 * 1024 * 1024, again: 256 * 1024 * 1024 } as const;

/**
 * Compress a few samples spread over the data and see. Costs a quarter of a MiB's compression.
 *
 * @returns what they would have taken of a thread at full work; undefined for data that is not larger than its samples would be.
 */
export async function sample(data: Uint8Array): Promise<Lz4Work | undefined> {
  const bytes = SAMPLE_BYTES * SAMPLES;
  if (data.byteLength <= bytes) return undefined;
  const stride = Math.floor((data.byteLength - SAMPLE_BYTES) / (SAMPLES - 1));
  const samples = Array.from({ length: SAMPLES }, (_, nth) => data.subarray(nth * stride, nth * stride + SAMPLE_BYTES));
  const { data: frame, milliseconds } = await lz4Codec.compress(...samples);
  return { bytes, left: frame.byteLength, milliseconds: milliseconds * AT_WORK };
}

/** Remembers what samples of an image showed, so that incompressible data costs nearly nothing. */
export class Incompressible {
  #found = 0;
  #left = 0;

  /** Whether the next chunk need not be looked at. */
  skips(length: number): boolean {
    this.#left -= length;
    return this.#left >= 0;
  }

  /** What a look at a chunk showed. */
  saw(incompressible: boolean): void {
    this.#found = incompressible ? this.#found + 1 : 0;
    this.#left = this.#found === 0 ? 0 : this.#found === 1 ? STANDS_FOR.once : STANDS_FOR.again;
  }
}
