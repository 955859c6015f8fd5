import { createHash } from 'node:crypto';
import { DIGEST_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import { MAX_PAGE_BYTES } from './index-page.ts';

/**
 * The index object: a header, the pages, and a footer that says where each page lies and what its digest
 * is. The manifest holds the footer's digest, so trust flows manifest → footer → page → leaf → data, and a
 * reader of one range needs the footer and one page. Binary, little-endian; layout in docs/image-format.md.
 */
export const INDEX_HEADER = Uint8Array.of(0x56, 0x4f, 0x53, 0x54, 0x49, 0x44, 0x58, 1); // "VOSTIDX", version 1
const FOOTER_MAGIC = 0x31544656; // "VFT1"
const FOOTER_HEADER_BYTES = 24;
const REF_BYTES = 64;

/** Largest footer that a reader accepts, bytes: a million pages. */
export const MAX_FOOTER_BYTES = FOOTER_HEADER_BYTES + REF_BYTES * 1_000_000;

/** Where one page lies in the index. */
export interface PageRef {
  /** Place in the index object, bytes. */
  readonly position: number;
  readonly length: number;
  readonly firstIndex: number;
  /** Logical offset of the page's first chunk. */
  readonly firstOffset: number;
  readonly chunks: number;
  /** SHA-256 at the end of the page. */
  readonly digest: Uint8Array;
}

export interface Footer {
  /** Logical size of the image. */
  readonly size: number;
  readonly pages: readonly PageRef[];
}

export function encodeFooter(footer: Footer): Uint8Array {
  const bytes = Buffer.alloc(FOOTER_HEADER_BYTES + REF_BYTES * footer.pages.length);
  bytes.writeUInt32LE(FOOTER_MAGIC, 0);
  bytes.writeUInt32LE(footer.pages.length, 4);
  bytes.writeBigUInt64LE(BigInt(footer.size), 8);
  for (const [nth, page] of footer.pages.entries()) {
    const at = FOOTER_HEADER_BYTES + nth * REF_BYTES;
    bytes.writeBigUInt64LE(BigInt(page.position), at);
    bytes.writeUInt32LE(page.length, at + 8);
    bytes.writeUInt32LE(page.chunks, at + 12);
    bytes.writeBigUInt64LE(BigInt(page.firstIndex), at + 16);
    bytes.writeBigUInt64LE(BigInt(page.firstOffset), at + 24);
    bytes.set(page.digest, at + 32);
  }
  return bytes;
}

/** Decode a footer whose digest the caller knows from the manifest. Any inconsistency is an `integrity` error. */
export function decodeFooter(bytes: Uint8Array, sha256: string, where: string): Footer {
  const bad = (what: string): EngineError =>
    new EngineError('VOST_BAD_INDEX', 'integrity', `${where}: index footer ${what}`);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw bad('does not match the digest in the manifest');
  const footer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (footer.byteLength < FOOTER_HEADER_BYTES || footer.readUInt32LE(0) !== FOOTER_MAGIC) throw bad('has no header');
  const count = footer.readUInt32LE(4);
  if (footer.byteLength !== FOOTER_HEADER_BYTES + count * REF_BYTES) throw bad('has a wrong length');
  const pages: PageRef[] = [];
  let next = { position: INDEX_HEADER.byteLength, index: 0, offset: 0 };
  for (let nth = 0; nth < count; nth += 1) {
    const at = FOOTER_HEADER_BYTES + nth * REF_BYTES;
    const page: PageRef = {
      position: Number(footer.readBigUInt64LE(at)),
      length: footer.readUInt32LE(at + 8),
      chunks: footer.readUInt32LE(at + 12),
      firstIndex: Number(footer.readBigUInt64LE(at + 16)),
      firstOffset: Number(footer.readBigUInt64LE(at + 24)),
      digest: footer.subarray(at + 32, at + 32 + DIGEST_BYTES),
    };
    if (page.position !== next.position || page.length > MAX_PAGE_BYTES) throw bad(`places page ${nth} wrongly`);
    if (page.firstIndex !== next.index || page.chunks === 0) throw bad(`numbers the chunks of page ${nth} wrongly`);
    if (nth === 0 ? page.firstOffset !== 0 : page.firstOffset <= next.offset) throw bad(`orders page ${nth} wrongly`);
    next = { position: page.position + page.length, index: page.firstIndex + page.chunks, offset: page.firstOffset };
    pages.push(page);
  }
  return { size: Number(footer.readBigUInt64LE(8)), pages };
}
