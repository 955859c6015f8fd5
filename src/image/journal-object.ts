import { createHash } from 'node:crypto';
import { DIGEST_BYTES } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { decodePage, MAX_PAGE_BYTES } from './index-page.ts';

/**
 * A journal object: one index page of an image that is being written, and the parts that its chunks are in. The page becomes part of
 * the index as it is; the parts are needed by an attach that has to go on with their upload. Binary, little-endian;
 * layout in docs/image-format.md.
 */
const PARTS_MAGIC = 0x31545056; // "VPT1"
const PARTS_HEADER_BYTES = 12;
const PART_FIXED_BYTES = 20;

/** Largest journal object that a reader accepts, bytes. */
export const MAX_JOURNAL_BYTES = 2 * MAX_PAGE_BYTES;
/** Longest change marker of a part, bytes. */
export const MAX_ETAG_BYTES = 255;

/** A part that storage has acknowledged. */
export interface StoredPart {
  readonly fragment: number;
  readonly number: number;
  readonly size: number;
  readonly etag: string;
}

/** The table that follows the page in a journal object. */
export function encodeParts(parts: readonly StoredPart[]): Uint8Array {
  const etags = parts.map(({ etag }) => encodeEtag(etag));
  const length = etags.reduce((sum, etag) => sum + PART_FIXED_BYTES + etag.byteLength, PARTS_HEADER_BYTES);
  const table = Buffer.alloc(length + DIGEST_BYTES);
  table.writeUInt32LE(PARTS_MAGIC, 0);
  table.writeUInt32LE(table.byteLength, 4);
  table.writeUInt32LE(parts.length, 8);
  let at = PARTS_HEADER_BYTES;
  for (const [nth, part] of parts.entries()) {
    const etag = etags[nth] as Uint8Array;
    table.writeUInt32LE(part.fragment, at);
    table.writeUInt32LE(part.number, at + 4);
    table.writeBigUInt64LE(BigInt(part.size), at + 8);
    table.writeUInt32LE(etag.byteLength, at + 16);
    table.set(etag, at + PART_FIXED_BYTES);
    at += PART_FIXED_BYTES + etag.byteLength;
  }
  table.set(createHash('sha256').update(table.subarray(0, at)).digest(), at);
  return table;
}

/** A part's marker as bytes. Throws class `unsupported` for one that no store gives. */
export function encodeEtag(etag: string): Uint8Array {
  const bytes = Buffer.from(etag, 'utf8');
  if (bytes.byteLength > MAX_ETAG_BYTES)
    throw new EngineError('VOST_ETAG', 'unsupported', `the store gave a part a marker of ${bytes.byteLength} bytes`);
  return bytes;
}

/** What a journal object holds. */
export interface JournalObject {
  /** The page as it stands in the object. */
  readonly page: Uint8Array;
  readonly chunks: StoredChunk[];
  readonly parts: StoredPart[];
}

/** Decode a journal object. Hostile input: any inconsistency is an `integrity` error. */
export function decodeJournalObject(bytes: Uint8Array, where: string): JournalObject {
  const bad = (what: string): EngineError => new EngineError('VOST_BAD_JOURNAL', 'integrity', `${where} ${what}`);
  const object = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pageLength = object.byteLength >= 8 ? object.readUInt32LE(4) : 0;
  if (pageLength < DIGEST_BYTES || pageLength + PARTS_HEADER_BYTES + DIGEST_BYTES > object.byteLength)
    throw bad('is too short');
  const page = bytes.subarray(0, pageLength);
  const chunks = decodePage(page, where);
  const table = object.subarray(pageLength);
  const end = table.byteLength - DIGEST_BYTES;
  if (table.readUInt32LE(0) !== PARTS_MAGIC || table.readUInt32LE(4) !== table.byteLength)
    throw bad('has no table of parts');
  if (!createHash('sha256').update(table.subarray(0, end)).digest().equals(table.subarray(end)))
    throw bad('has a table of parts that does not match its digest');
  const count = table.readUInt32LE(8);
  const parts: StoredPart[] = [];
  let at = PARTS_HEADER_BYTES;
  for (let nth = 0; nth < count; nth += 1) {
    if (at + PART_FIXED_BYTES > end) throw bad('names more parts than it holds');
    const etagBytes = table.readUInt32LE(at + 16);
    const next = at + PART_FIXED_BYTES + etagBytes;
    if (etagBytes > MAX_ETAG_BYTES || next > end) throw bad('has a part with an overlong marker');
    const size = table.readBigUInt64LE(at + 8);
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw bad('has a part beyond 2^53 bytes');
    parts.push({
      fragment: table.readUInt32LE(at),
      number: table.readUInt32LE(at + 4),
      size: Number(size),
      etag: table.toString('utf8', at + PART_FIXED_BYTES, next),
    });
    at = next;
  }
  if (at !== end) throw bad('has bytes that belong to no part');
  return { page, chunks, parts };
}
