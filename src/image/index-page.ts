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
/** Length of a chunk's entry, without its leaves. */
export const ENTRY_BYTES = 40;

/** Largest page that a reader accepts, bytes. */
export const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** A writer ends a page when it has grown to this, bytes. */
export const PAGE_TARGET_BYTES = 512 * 1024;

/** Bytes that a chunk takes in a page. */
export function entryBytes(chunk: StoredChunk): number {
  return ENTRY_BYTES + chunk.leaves.byteLength;
}

/** Write a chunk's entry at `at`. Its leaves stand elsewhere. */
export function writeEntry(into: Buffer, at: number, chunk: StoredChunk): void {
  into.writeBigUInt64LE(BigInt(chunk.offset), at);
  into.writeBigUInt64LE(BigInt(chunk.length), at + 8);
  into.writeUInt32LE(chunk.fragment, at + 16);
  into.writeUInt32LE(chunk.leaves.byteLength / DIGEST_BYTES, at + 20);
  into.writeBigUInt64LE(BigInt(chunk.storedOffset), at + 24);
  into.writeBigUInt64LE(BigInt(chunk.storedLength), at + 32);
}

/** A chunk's entry as {@link writeEntry} left it. */
export interface Entry extends Omit<StoredChunk, 'index' | 'leaves'> {
  readonly leafCount: number;
}

/** Read the entry at `at`. Hostile input: what makes no sense is reported through `bad`. */
export function readEntry(from: Buffer, at: number, bad: (what: string) => EngineError): Entry {
  const entry: Entry = {
    offset: safe(from.readBigUInt64LE(at), bad),
    length: safe(from.readBigUInt64LE(at + 8), bad),
    fragment: from.readUInt32LE(at + 16),
    leafCount: from.readUInt32LE(at + 20),
    storedOffset: safe(from.readBigUInt64LE(at + 24), bad),
    storedLength: safe(from.readBigUInt64LE(at + 32), bad),
  };
  if (entry.length === 0 || entry.length > MAX_CHUNK_BYTES) throw bad(`has a chunk of ${entry.length} bytes`);
  if (entry.leafCount !== Math.ceil(entry.length / LEAF_BYTES)) throw bad('has a wrong number of leaves');
  return entry;
}

function safe(value: bigint, bad: (what: string) => EngineError): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw bad('has a number beyond 2^53');
  return Number(value);
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
    writeEntry(page, entry, chunk);
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
  const firstIndex = safe(page.readBigUInt64LE(8), bad);
  let leaf = PAGE_HEADER_BYTES + count * ENTRY_BYTES;
  if (leaf > end) throw bad('names more chunks than it holds');
  const chunks: StoredChunk[] = [];
  let position = -1;
  for (let nth = 0; nth < count; nth += 1) {
    const { leafCount, ...place } = readEntry(page, PAGE_HEADER_BYTES + nth * ENTRY_BYTES, bad);
    if (position >= 0 && place.offset !== position) throw bad('has a gap between chunks');
    if (leaf + leafCount * DIGEST_BYTES > end) throw bad('names more leaves than it holds');
    const leaves = bytes.subarray(leaf, leaf + leafCount * DIGEST_BYTES);
    chunks.push({ index: firstIndex + nth, ...place, leaves });
    leaf += leafCount * DIGEST_BYTES;
    position = place.offset + place.length;
  }
  if (leaf !== end) throw bad('has bytes that belong to no chunk');
  return chunks;
}
