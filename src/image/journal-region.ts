import { createHash } from 'node:crypto';
import { EngineError } from '../errors.ts';
import { crc32c } from './crc32c.ts';
import type { JournalMemory } from './journal-memory.ts';
import { decodeRecords, type JournalRecord } from './journal-records.ts';

/**
 * A handle's journal in memory that survives this process (docs/engine-protocol.md, section 5.1). Two halves, so that
 * emptying it is one step: records go into one until they are better kept in storage, then the other takes over.
 */
const MAGIC = 0x314c4e5254534f56n; // "VOSTRNL1"
const HEADER_BYTES = 64;
/** The header up to its checksum; `used` is written by itself and not covered. */
const COVERED_BYTES = 28;
/** No region sees so many restarts. */
const MAX_EPOCH = 1n << 62n;
/** Smallest region, bytes. */
const MIN_REGION_BYTES = 4096;

/** What a region held. */
export interface JournalContents {
  /** Journal objects that storage had when the region's records began. */
  readonly segments: number;
  readonly records: JournalRecord[];
}

export class JournalRegion {
  readonly #memory: JournalMemory;
  readonly #halfBytes: number;
  readonly #owner: Buffer;
  /** Which half is written, and its header. */
  #half = 0;
  #epoch = 0n;
  #used = 0;

  /**
   * @param memory of at least 4 KiB, aligned to 8 bytes; both headers zero, or what an earlier process left.
   * @param creator whose region it is; another's records are passed over.
   */
  constructor(memory: JournalMemory, creator: string) {
    const { byteLength, byteOffset } = memory.bytes;
    this.#memory = memory;
    this.#halfBytes = Math.floor(byteLength / 128) * 64;
    if (byteLength < MIN_REGION_BYTES || byteOffset % 8 !== 0) {
      const message = `a journal region of ${byteLength} bytes at ${byteOffset} cannot be used`;
      throw new EngineError('VOST_JOURNAL_REGION', 'usage', message);
    }
    this.#owner = createHash('sha256').update(creator).digest().subarray(0, 8);
  }

  /** Room for records in a half, bytes. */
  get capacity(): number {
    return this.#halfBytes - HEADER_BYTES;
  }

  /** Bytes of records. */
  get used(): number {
    return this.#used;
  }

  /**
   * What is there; appending goes on behind it. Hostile input: a half that is not ours or not whole does not count, nor does what follows
   * a record that is not whole. Undefined when nothing counts.
   */
  read(): JournalContents | undefined {
    let newest: { half: number; epoch: bigint; header: Buffer } | undefined;
    for (const half of [0, 1]) {
      const header = Buffer.from(this.#copy(half * this.#halfBytes, HEADER_BYTES));
      const epoch = header.readBigUInt64LE(16);
      const ours = header.readBigUInt64LE(0) === MAGIC && header.subarray(8, 16).equals(this.#owner);
      if (!ours || epoch >= MAX_EPOCH || crc32c(header.subarray(0, COVERED_BYTES)) !== header.readUInt32LE(32))
        continue;
      if (newest === undefined || epoch > newest.epoch) newest = { half, epoch, header };
    }
    if (newest === undefined) return undefined;
    const { half, epoch, header } = newest;
    this.#half = half;
    this.#epoch = epoch;
    const start = half * this.#halfBytes + HEADER_BYTES;
    const used = Math.min(header.readUInt32LE(28), this.capacity);
    const { records, end } = decodeRecords(this.#copy(start, used));
    this.#used = end;
    return { segments: header.readUInt32LE(24), records };
  }

  /** The memory may change while we look at it. */
  #copy(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.bytes.subarray(at, at + length));
  }

  /** Append records, all or none of which a reader sees. Throws when they do not fit: the caller keeps room. */
  append(records: readonly Uint8Array[]): void {
    this.#used = this.#write(this.#half, this.#used, records);
    this.#memory.publish(this.#half * this.#halfBytes + 28, this.#used);
  }

  /**
   * Begin anew in the other half, with records that still matter. A reader sees the old state or the new one.
   *
   * @param segments journal objects that storage has now.
   */
  restart(segments: number, records: readonly Uint8Array[]): void {
    const half = 1 - this.#half;
    const used = this.#write(half, 0, records);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeBigUInt64LE(MAGIC, 0);
    header.set(this.#owner, 8);
    header.writeBigUInt64LE(this.#epoch + 1n, 16);
    header.writeUInt32LE(segments, 24);
    header.writeUInt32LE(used, 28);
    header.writeUInt32LE(crc32c(header.subarray(0, COVERED_BYTES)), 32);
    this.#memory.set(header, half * this.#halfBytes);
    this.#half = half;
    this.#epoch += 1n;
    this.#used = used;
  }

  /** Forget everything. The older half first: it must not count again. What is behind the headers is not touched, most of it never was. */
  clear(): void {
    for (const half of [1 - this.#half, this.#half]) this.#memory.clear(half * this.#halfBytes, HEADER_BYTES);
    this.#half = 0;
    this.#epoch = 0n;
    this.#used = 0;
  }

  #write(half: number, used: number, records: readonly Uint8Array[]): number {
    const bytes = records.reduce((sum, record) => sum + record.byteLength, 0);
    if (used + bytes > this.capacity) {
      const message = `the journal region has no room for ${bytes} bytes beside ${used} of ${this.capacity}`;
      throw new EngineError('VOST_JOURNAL_FULL', 'internal', message);
    }
    let at = half * this.#halfBytes + HEADER_BYTES + used;
    for (const record of records) {
      this.#memory.set(record, at);
      at += record.byteLength;
    }
    return used + bytes;
  }
}
