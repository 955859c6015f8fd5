import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Bytes of one source write, and of one stamped block. bench/sink/stamps.h knows the same number. */
export const BLOCK_BYTES = 256 * 1024;
const RING_BYTES = 8 * 1024 * 1024;
const STAMP_BYTES = 8;

/** What the generated payload is like: incompressible, words, or a tar stream of real files. */
export type DataKind = 'random' | 'text' | 'tar';

/** xorshift32, the same sequence as in bench/sink/stamps.c. */
function generator(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function randomRing(): Buffer {
  const ring = Buffer.alloc(RING_BYTES);
  const next = generator();
  for (let at = 0; at < RING_BYTES; at += 4) ring.writeUInt32LE(next(), at);
  return ring;
}

/** Lines of words of which few are frequent, as in logs and prose. */
function textRing(): Buffer {
  const next = generator();
  const letters = 'etaoinshrdlucmfw';
  const words = Array.from({ length: 4096 }, () => {
    const length = 2 + (next() % 9);
    return Array.from({ length }, () => letters[Math.min(next() % 16, next() % 16)]).join('');
  });
  const ring = Buffer.alloc(RING_BYTES);
  for (let at = 0; at < RING_BYTES; ) {
    const word = words[Math.floor((next() % 64) * ((next() % 4096) / 4096) * 64)] ?? '';
    at += ring.write(`${word}${next() % 12 === 0 ? '\n' : ' '}`, at, 'latin1');
  }
  return ring;
}

/** One MiB out of every sixteen of a tar stream of the installed packages: sources, text, some binaries. */
async function tarRing(): Promise<Buffer> {
  const mib = 1024 * 1024;
  const tar = spawn('tar', ['-C', 'node_modules', '--sort=name', '-cf', '-', '.'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const closed = once(tar, 'close');
  const ring = Buffer.alloc(RING_BYTES);
  let position = 0;
  let filled = 0;
  for await (const piece of tar.stdout as AsyncIterable<Buffer>) {
    for (let at = 0; at < piece.length && filled < RING_BYTES; ) {
      const left = mib - (position % mib);
      const step = Math.min(left, piece.length - at);
      if (Math.floor(position / mib) % 16 === 0) filled += piece.copy(ring, filled, at, at + step);
      position += step;
      at += step;
    }
    if (filled === RING_BYTES) break;
  }
  tar.kill();
  await closed;
  if (filled < RING_BYTES) throw new Error(`the tar stream of node_modules has only ${position} bytes`);
  return ring;
}

export interface SourceBlock {
  readonly offset: number;
  /** Valid until the next block is asked for, at least 31 blocks long. */
  readonly data: Buffer;
}

/**
 * A source that costs next to nothing: views of a ring that fits the processor's cache, as NetBackup's data
 * buffers do. The first bytes of every block are its number.
 */
export class GeneratedSource {
  readonly #ring: Buffer;

  private constructor(ring: Buffer) {
    this.#ring = ring;
  }

  static async create(kind: DataKind): Promise<GeneratedSource> {
    if (kind === 'tar') return new GeneratedSource(await tarRing());
    return new GeneratedSource(kind === 'text' ? textRing() : randomRing());
  }

  /** Block `number` of a stream of `bytes` bytes; the last one may be short. */
  block(number: number, bytes: number): SourceBlock {
    const offset = number * BLOCK_BYTES;
    const at = offset % RING_BYTES;
    const data = this.#ring.subarray(at, at + Math.min(BLOCK_BYTES, bytes - offset));
    if (data.length >= STAMP_BYTES) data.writeBigUInt64LE(BigInt(number));
    return { offset, data };
  }

  /** All blocks in order. */
  *sequential(bytes: number): Generator<SourceBlock> {
    for (let number = 0; number * BLOCK_BYTES < bytes; number += 1) yield this.block(number, bytes);
  }

  /** Groups of eight blocks, each backwards, as a reader with several threads delivers them at worst. */
  *shuffled(bytes: number): Generator<SourceBlock> {
    const count = Math.ceil(bytes / BLOCK_BYTES);
    for (let from = 0; from < count; from += 8) {
      for (let number = Math.min(from + 8, count) - 1; number >= from; number -= 1) yield this.block(number, bytes);
    }
  }

  /** Views of the ring without stamps: memory that never changes, for a reader that keeps it. */
  *unstamped(bytes: number): Generator<Buffer> {
    for (let offset = 0; offset < bytes; offset += BLOCK_BYTES) {
      const at = offset % RING_BYTES;
      yield this.#ring.subarray(at, at + Math.min(BLOCK_BYTES, bytes - offset));
    }
  }
}
