import { createHash } from 'node:crypto';
import { DIGEST_BYTES, LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { MAX_CHUNK_BYTES } from './manifest.ts';

/**
 * An index page: consecutive chunks, where each lies and its leaf digests. Binary, little-endian; layout in
 * docs/image-format.md. Pages do not depend on their place, so they can be stored one by one
 * while an image is being written and joined into the index at the end.
 */
const PAGE_MAGIC = 0x31475056; // "VPG1"
const PAGE_HEADER_BYTES = 24;
const ENTRY_BYTES = 40;

/** Largest page that a reader accepts, bytes. */
export const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** A writer ends a page when it has grown to this, bytes. */
export const PAGE_TARGET_BYTES = 512 * 1024;

/** Bytes that a chunk takes in a page. */
export function entryBytes(chunk: StoredChunk): number {
  return ENTRY_BYTES + chunk.leaves.byteLength;
}

/** Encode consecutive chunks as one page, its SHA-256 at the end. */
export function encodePage(chunks: readonly StoredChunk[]): Uint8Array {
  const leafBytes = chunks.reduce((sum, { leaves }) => sum + leaves.byteLength, 0);
  const length = PAGE_HEADER_BYTES + chunks.length * ENTRY_BYTES + leafBytes + DIGEST_BYTES;
  const page = Buffer.alloc(length);
  page.writeUInt32LE(PAGE_MAGIC, 0);
  page.writeUInt32LE(length, 4);
  page.writeBigUInt64LE(BigInt(chunks[0]?.index ?? 0), 8);
  page.writeUInt32LE(chunks.length, 16);
  let entry = PAGE_HEADER_BYTES;
  let leaf = PAGE_HEADER_BYTES + chunks.length * ENTRY_BYTES;
  for (const chunk of chunks) {
    page.writeBigUInt64LE(BigInt(chunk.offset), entry);
    page.writeBigUInt64LE(BigInt(chunk.length), entry + 8);
    page.writeUInt32LE(chunk.fragment, entry + 16);
    page.writeUInt32LE(chunk.leaves.byteLength / DIGEST_BYTES, entry + 20);
    page.writeBigUInt64LE(BigInt(chunk.storedOffset), entry + 24);
    page.writeBigUInt64LE(BigInt(chunk.storedLength), entry + 32);
    page.set(chunk.leaves, leaf);
    entry += ENTRY_BYTES;
    leaf += chunk.leaves.byteLength;
  }
  page.set(createHash('sha256').update(page.subarray(0, leaf)).digest(), leaf);
  return page;
}

/** Decode a page. Hostile input: any inconsistency is an `integrity` error. Leaf digests are views of `bytes`. */
export function decodePage(bytes: Uint8Array, where: string): StoredChunk[] {
  const bad = (what: string): EngineError =>
    new EngineError('VOST_BAD_INDEX', 'integrity', `${where}: index page ${what}`);
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (page.byteLength < PAGE_HEADER_BYTES + DIGEST_BYTES || page.readUInt32LE(0) !== PAGE_MAGIC)
    throw bad('has no header');
  if (page.readUInt32LE(4) !== page.byteLength || page.readUInt32LE(20) !== 0) throw bad('has a wrong length');
  const end = page.byteLength - DIGEST_BYTES;
  if (!createHash('sha256').update(page.subarray(0, end)).digest().equals(page.subarray(end)))
    throw bad('does not match its digest');
  const count = page.readUInt32LE(16);
  const firstIndex = safe(page.readBigUInt64LE(8));
  let leaf = PAGE_HEADER_BYTES + count * ENTRY_BYTES;
  if (leaf > end) throw bad('names more chunks than it holds');
  const chunks: StoredChunk[] = [];
  let position = -1;
  for (let nth = 0; nth < count; nth += 1) {
    const entry = PAGE_HEADER_BYTES + nth * ENTRY_BYTES;
    const offset = safe(page.readBigUInt64LE(entry));
    const length = safe(page.readBigUInt64LE(entry + 8));
    const leafCount = page.readUInt32LE(entry + 20);
    if (length === 0 || length > MAX_CHUNK_BYTES) throw bad(`has a chunk of ${length} bytes`);
    if (position >= 0 && offset !== position) throw bad('has a gap between chunks');
    if (leafCount !== Math.ceil(length / LEAF_BYTES)) throw bad('has a wrong number of leaves');
    if (leaf + leafCount * DIGEST_BYTES > end) throw bad('names more leaves than it holds');
    chunks.push({
      index: firstIndex + nth,
      offset,
      length,
      fragment: page.readUInt32LE(entry + 16),
      storedOffset: safe(page.readBigUInt64LE(entry + 24)),
      storedLength: safe(page.readBigUInt64LE(entry + 32)),
      leaves: bytes.subarray(leaf, leaf + leafCount * DIGEST_BYTES),
    });
    leaf += leafCount * DIGEST_BYTES;
    position = offset + length;
  }
  if (leaf !== end) throw bad('has bytes that belong to no chunk');
  return chunks;

  function safe(value: bigint): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw bad('has a number beyond 2^53');
    return Number(value);
  }
}
