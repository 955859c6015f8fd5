import { DIGEST_BYTES, LEAF_BYTES } from '../bridge/bridge.ts';
import { EngineError, FAILURE_CLASSES } from '../errors.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { crc32c } from './crc32c.ts';
import { ENTRY_BYTES, readEntry, writeEntry } from './index-page.ts';
import { encodeEtag, MAX_ETAG_BYTES, type StoredPart } from './journal-object.ts';
import { MAX_META_BYTES, MAX_METAS, type MetaRecord } from './manifest.ts';
import { inTerm, metaName, numberOf, TERM } from './names.ts';

/**
 * Records of a handle's journal region: what storage has acknowledged since the last journal object. Binary,
 * little-endian; layout in docs/engine-protocol.md, section 5.1.
 */
const TYPES = { part: 2, chunk: 3, meta: 4, hash: 5, sent: 6, held: 7, failed: 8 } as const;
const HEADER_BYTES = 12;
const CHUNK_FIXED_BYTES = 8 + ENTRY_BYTES;
const IS_TERM = new RegExp(`^(${TERM})?$`);
/** Longest saved state of the plain digest, bytes. */
const MAX_STATE_BYTES = 512;
/** Longest text of a failure, characters: every region has room for its record. */
const MAX_FAILURE_TEXT = 300;

/** A part was handed to storage, so that it may be there. */
export interface SentRecord {
  readonly fragment: number;
  readonly number: number;
}

/** Chunks that lie in a held object: they are stored, but not part of a part yet. */
export interface HeldRecord {
  /** In the object's name. */
  readonly number: number;
  readonly first: number;
  readonly count: number;
  /** Of the object. */
  readonly bytes: number;
  /** SHA-256 of the object. */
  readonly digest: Uint8Array;
}

/** State of the plain digest after so many chunks. */
export interface HashRecord {
  readonly chunks: number;
  readonly state: Uint8Array;
}

export type JournalRecord =
  | { readonly type: 'part'; readonly part: StoredPart; readonly chunks: number }
  | { readonly type: 'chunk'; readonly chunk: StoredChunk }
  | { readonly type: 'meta'; readonly meta: MetaRecord }
  | { readonly type: 'hash'; readonly hash: HashRecord }
  | { readonly type: 'sent'; readonly sent: SentRecord }
  | { readonly type: 'held'; readonly held: HeldRecord }
  /** The handle has failed for good: whatever came before counts no more. */
  | { readonly type: 'failed'; readonly error: EngineError };

/** Bytes that the record of a chunk of that length takes. */
export function chunkRecordBytes(chunkBytes: number): number {
  return padded(HEADER_BYTES + CHUNK_FIXED_BYTES + Math.ceil(chunkBytes / LEAF_BYTES) * DIGEST_BYTES);
}

export function encodeRecord(record: JournalRecord): Uint8Array {
  const payload = encodePayload(record);
  const bytes = Buffer.alloc(padded(HEADER_BYTES + payload.byteLength));
  bytes.writeUInt32LE(payload.byteLength, 0);
  bytes.writeUInt32LE(TYPES[record.type], 4);
  bytes.set(payload, HEADER_BYTES);
  bytes.writeUInt32LE(checksum(bytes, payload.byteLength), 8);
  return bytes;
}

/** The records of a region's half, and where they end. Hostile input: reading ends at the first one that is not whole. */
export function decodeRecords(bytes: Uint8Array): { records: JournalRecord[]; end: number } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: JournalRecord[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= buffer.byteLength) {
    const length = buffer.readUInt32LE(at);
    if (length > buffer.byteLength - at - HEADER_BYTES) break;
    const whole = buffer.subarray(at, at + HEADER_BYTES + length);
    if (checksum(whole, length) !== whole.readUInt32LE(8)) break;
    let record: JournalRecord | undefined;
    try {
      record = decodePayload(whole.readUInt32LE(4), whole.subarray(HEADER_BYTES));
    } catch (error) {
      // Reading past the end, or a value that makes no sense: such a record was never written by us.
      if (!(error instanceof RangeError || error instanceof EngineError)) throw error;
    }
    if (record === undefined) break;
    records.push(record);
    at += padded(HEADER_BYTES + length);
  }
  return { records, end: Math.min(at, buffer.byteLength) };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** Over type and payload. */
function checksum(record: Buffer, length: number): number {
  const covered = Buffer.allocUnsafe(4 + length);
  record.copy(covered, 0, 4, 8);
  record.copy(covered, 4, HEADER_BYTES, HEADER_BYTES + length);
  return crc32c(covered);
}

function encodePayload(record: JournalRecord): Buffer {
  switch (record.type) {
    case 'part': {
      const { fragment, number, size, etag } = record.part;
      return Buffer.concat([u32(fragment, number), u64(size), u32(record.chunks), encodeEtag(etag)]);
    }
    case 'chunk': {
      const entry = Buffer.alloc(ENTRY_BYTES);
      writeEntry(entry, 0, record.chunk);
      return Buffer.concat([u64(record.chunk.index), entry, record.chunk.leaves]);
    }
    case 'meta': {
      const { index, name, size, sha256 } = record.meta;
      const term = name.split('.')[1] ?? '';
      return Buffer.concat([u32(index, numberOf(name), size), Buffer.from(sha256, 'hex'), Buffer.from(term)]);
    }
    case 'hash':
      return Buffer.concat([u64(record.hash.chunks), record.hash.state]);
    case 'sent':
      return u32(record.sent.fragment, record.sent.number);
    case 'held': {
      const { number, first, count, bytes, digest } = record.held;
      return Buffer.concat([u64(first), u32(number, count, bytes), digest]);
    }
    case 'failed': {
      const { failure, code, message, advice = '' } = record.error;
      const texts = [failure, code, message, advice].map((text) =>
        text.replaceAll('\0', ' ').slice(0, MAX_FAILURE_TEXT),
      );
      return Buffer.from(texts.join('\0'), 'utf8');
    }
  }
}

function decodePayload(type: number, payload: Buffer): JournalRecord | undefined {
  switch (type) {
    case TYPES.part: {
      const [fragment, number] = [payload.readUInt32LE(0), payload.readUInt32LE(4)];
      if (payload.byteLength > 20 + MAX_ETAG_BYTES) return undefined;
      const part = { fragment, number, size: int(payload, 8), etag: payload.toString('utf8', 20) };
      return { type: 'part', part, chunks: payload.readUInt32LE(16) };
    }
    case TYPES.chunk: {
      const { leafCount, ...place } = readEntry(payload, 8, (what) => {
        throw new RangeError(what);
      });
      if (payload.byteLength !== CHUNK_FIXED_BYTES + leafCount * DIGEST_BYTES) return undefined;
      return {
        type: 'chunk',
        chunk: { index: int(payload, 0), ...place, leaves: payload.subarray(CHUNK_FIXED_BYTES) },
      };
    }
    case TYPES.meta: {
      const [index, number, size] = [payload.readUInt32LE(0), payload.readUInt32LE(4), payload.readUInt32LE(8)];
      const end = 12 + DIGEST_BYTES;
      const term = payload.toString('latin1', end);
      if (
        payload.byteLength < end ||
        index >= MAX_METAS ||
        number > 999_999_999 ||
        size > MAX_META_BYTES ||
        !IS_TERM.test(term)
      )
        return undefined;
      const name = inTerm(metaName(number), term === '' ? undefined : term);
      return { type: 'meta', meta: { index, name, size, sha256: payload.toString('hex', 12, end) } };
    }
    case TYPES.hash: {
      if (payload.byteLength > 8 + MAX_STATE_BYTES) return undefined;
      return { type: 'hash', hash: { chunks: int(payload, 0), state: payload.subarray(8) } };
    }
    case TYPES.sent:
      return { type: 'sent', sent: { fragment: payload.readUInt32LE(0), number: payload.readUInt32LE(4) } };
    case TYPES.held: {
      if (payload.byteLength !== 20 + DIGEST_BYTES) return undefined;
      const held = {
        first: int(payload, 0),
        number: payload.readUInt32LE(8),
        count: payload.readUInt32LE(12),
        bytes: payload.readUInt32LE(16),
        digest: payload.subarray(20),
      };
      return { type: 'held', held };
    }
    case TYPES.failed: {
      const [name, code = '', message = '', advice] = payload.toString('utf8').split('\0', 4);
      const failure = FAILURE_CLASSES.find((one) => one === name);
      if (failure === undefined || !/^VOST_[A-Z0-9_]{1,60}$/.test(code)) return undefined;
      return { type: 'failed', error: new EngineError(code, failure, message, advice ? { advice } : {}) };
    }
    default:
      return undefined;
  }
}

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [nth, value] of values.entries()) bytes.writeUInt32LE(value, 4 * nth);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function int(from: Buffer, at: number): number {
  const value = from.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError('beyond 2^53');
  return Number(value);
}
