import { createHash } from 'node:crypto';

const MIB = 2 ** 20;

/** Lengths at which stages go wrong: the smallest, around powers of two, around a MiB, no multiple of anything. */
export const EDGE_SIZES: readonly number[] = [
  1,
  2,
  3,
  15,
  16,
  17,
  255,
  256,
  257,
  511,
  512,
  4095,
  4096,
  4097,
  65_535,
  65_536,
  65_537,
  MIB - 1,
  MIB,
  MIB + 1,
  3 * MIB + 7,
  16 * MIB,
];

/** Kinds of content. */
export const CONTENTS = ['zeros', 'noise', 'text'] as const;
export type Content = (typeof CONTENTS)[number];

/** Bytes of a kind, the same in every run. */
export function sampleBytes(content: Content, length: number, seed = ''): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  if (content === 'zeros') return bytes;
  const block = blockOf(content, seed);
  for (let at = 0; at < length; at += block.byteLength) bytes.set(block.subarray(0, length - at), at);
  return bytes;
}

const blocks = new Map<string, Uint8Array>();

function blockOf(content: Content, seed: string): Uint8Array {
  const key = `${content} ${seed}`;
  const block = blocks.get(key) ?? (content === 'noise' ? noise(seed) : text(seed));
  blocks.set(key, block);
  return block;
}

/** A MiB at once: what repeats is too far apart for compression to see. */
function noise(seed: string): Uint8Array {
  return createHash('shake256', { outputLength: MIB }).update(`noise ${seed}`).digest();
}

function text(seed: string): Uint8Array {
  const lines: string[] = [];
  for (let line = 0; line < 4096; line += 1) {
    const word = createHash('sha256').update(`${seed} ${line}`).digest('hex').slice(0, 12);
    lines.push(`Nov 21 10:${line % 60}:01 host${line % 7} daemon[${line}]: request ${word} took ${line % 900} ms\n`);
  }
  return Buffer.from(lines.join(''), 'latin1');
}
