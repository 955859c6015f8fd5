import { createHash } from 'node:crypto';
import { type Bridge, LEAF_BYTES } from '../../src/bridge/bridge.ts';
import { xxh32 } from './xxh32.ts';

/** The native addon's contract in plain JavaScript, with counters that show what was not given back. */
export class JsBridge implements Bridge {
  readonly implementation = { sha256: 'javascript', threads: 0 };
  readonly #live = new Map<ArrayBuffer, number>();
  #liveBytes = 0;
  /** Slabs mapped since the beginning. */
  allocated = 0;
  /** The most bytes mapped at once. */
  peakBytes = 0;

  /** Slabs mapped and not freed. */
  get liveSlabs(): number {
    return this.#live.size;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  allocSlab(bytes: number): ArrayBuffer {
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % 4096 !== 0)
      throw new RangeError(`${bytes} bytes are no pages`);
    const slab = new ArrayBuffer(bytes);
    this.#live.set(slab, bytes);
    this.#liveBytes += bytes;
    this.allocated += 1;
    this.peakBytes = Math.max(this.peakBytes, this.#liveBytes);
    return slab;
  }

  freeSlab(slab: ArrayBuffer): void {
    const bytes = this.#live.get(slab);
    if (bytes === undefined) return;
    this.#live.delete(slab);
    this.#liveBytes -= bytes;
    slab.transfer(0);
  }

  trimSlab(slab: ArrayBuffer, from = 0): void {
    new Uint8Array(slab, from).fill(0);
  }

  async leafDigests(data: Uint8Array): Promise<Buffer> {
    const digests: Buffer[] = [];
    for (let at = 0; at < data.byteLength; at += LEAF_BYTES)
      digests.push(
        createHash('sha256')
          .update(data.subarray(at, at + LEAF_BYTES))
          .digest(),
      );
    return Buffer.concat(digests);
  }

  async sha256(pieces: readonly Uint8Array[]): Promise<Buffer> {
    return digestOf('sha256', pieces);
  }

  async md5(pieces: readonly Uint8Array[]): Promise<Buffer> {
    return digestOf('md5', pieces);
  }

  async xxh32(pieces: readonly Uint8Array[]): Promise<Buffer> {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(xxh32(pieces));
    return bytes;
  }
}

function digestOf(algorithm: string, pieces: readonly Uint8Array[]): Buffer {
  const hash = createHash(algorithm);
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}
