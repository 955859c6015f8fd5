import { EngineError } from '../errors.ts';
import type { Part } from '../stages/packer.ts';
import type { IndexWriter } from './index-writer.ts';
import type { StoredPart } from './journal-object.ts';
import {
  chunkRecordBytes,
  encodeRecord,
  type HashRecord,
  type HeldRecord,
  type JournalRecord,
  type SentRecord,
} from './journal-records.ts';
import type { JournalRegion } from './journal-region.ts';
import type { MetaRecord } from './manifest.ts';

/** Room kept for records that are appended while a journal object is on its way to storage, bytes. */
const SLACK_BYTES = 1024;

/** What of a handle's state is neither in the index nor in the journal objects. */
export interface HandleMemory {
  /** Blobs by index. */
  readonly metas: Map<number, MetaRecord>;
  /** Highest part handed to storage, by fragment. */
  readonly sent: Map<number, number>;
  /** Held objects that the next part will contain. */
  held: HeldRecord[];
  hash: HashRecord | undefined;
}

/**
 * Notes what storage has acknowledged for one handle: in its region at once, and in journal objects when the region fills.
 * Without a region only the index is kept, and its old pages in journal objects. What waits here happens one after
 * the other.
 */
export class HandleJournal {
  /** Undefined when there is none, or when nothing more is to be noted. */
  #region: JournalRegion | undefined;
  readonly #index: IndexWriter;
  readonly #memory: HandleMemory;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(region: JournalRegion | undefined, index: IndexWriter, memory: HandleMemory) {
    this.#region = region;
    this.#index = index;
    this.#memory = memory;
  }

  /**
   * Most chunks that a part may have, so that its records fit a half of the region beside others. Throws class `usage` when not even one
   * does.
   */
  static maxChunks(region: JournalRegion | undefined, chunkBytes: number): number {
    if (region === undefined) return Number.POSITIVE_INFINITY;
    const count = Math.floor((region.capacity / 2 - SLACK_BYTES) / chunkRecordBytes(chunkBytes));
    if (count >= 1) return count;
    const message = `a journal region for ${region.capacity} bytes of records is too small for chunks of ${chunkBytes} bytes`;
    throw new EngineError('VOST_JOURNAL_REGION', 'usage', message);
  }

  /** Begin an empty region. */
  begin(segments: number): void {
    this.#region?.restart(segments, this.#lasting());
  }

  /** A part is about to be sent. */
  sent(record: SentRecord): void {
    if (record.number <= (this.#memory.sent.get(record.fragment) ?? 0)) return;
    this.#memory.sent.set(record.fragment, record.number);
    this.#region?.append([encodeRecord({ type: 'sent', sent: record })]);
  }

  /** A part is stored, and all before it: its chunks need no other memory once this resolves. */
  part(part: Part, stored: StoredPart, hash: HashRecord | undefined, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      this.#memory.held = this.#memory.held.filter(({ first }) => first > (part.chunks.at(-1)?.index ?? 0));
      this.#memory.sent.forEach((_, fragment) => {
        if (fragment < part.fragment) this.#memory.sent.delete(fragment);
      });
      this.#index.add(part.chunks, stored);
      const chunks = part.chunks.map((chunk): JournalRecord => ({ type: 'chunk', chunk }));
      this.#append([...chunks, { type: 'part', part: stored, chunks: part.chunks.length }], hash);
      if (this.#region === undefined) await this.#index.spill(signal);
      else await this.tidy(signal);
    });
  }

  /** Chunks lie in a held object. */
  held(held: HeldRecord, hash: HashRecord | undefined, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      this.#memory.held.push(held);
      this.#append([{ type: 'held', held }], hash);
      await this.tidy(signal);
    });
  }

  /** A blob is stored. */
  meta(meta: MetaRecord, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      this.#memory.metas.set(meta.index, meta);
      this.#append([{ type: 'meta', meta }], undefined);
      await this.tidy(signal);
    });
  }

  /** Put the whole index so far into journal objects; resolves to how many there are. */
  checkpoint(signal: AbortSignal): Promise<number> {
    return this.#inTurn(async () => {
      const count = await this.#index.checkpoint(signal);
      this.#region?.restart(count, this.#lasting());
      return count;
    });
  }

  /** Most chunks that a part may have; see {@link HandleJournal.maxChunks}. */
  maxChunks(chunkBytes: number): number {
    return HandleJournal.maxChunks(this.#region, chunkBytes);
  }

  /**
   * The handle has failed, and its slots are about to go back: whoever attaches to it must hear why instead of finding
   * that bytes are missing. Nothing is noted afterwards.
   */
  fail(error: EngineError): void {
    this.#region?.restart(0, [encodeRecord({ type: 'failed', error })]);
    this.#region = undefined;
  }

  /** The handle has ended: nothing of it may be taken up again. */
  clear(): void {
    this.#region?.clear();
  }

  #append(records: JournalRecord[], hash: HashRecord | undefined): void {
    if (hash) {
      this.#memory.hash = hash;
      records.push({ type: 'hash', hash });
    }
    this.#region?.append(records.map(encodeRecord));
  }

  /** Keep half of the region free, so that the records of one more part always fit. */
  async tidy(signal: AbortSignal | undefined): Promise<void> {
    if (this.#region === undefined) return;
    if (this.#region.used < this.#region.capacity / 2 && !this.#index.fullPage) return;
    const segments = await this.#index.checkpoint(signal);
    this.#region?.restart(segments, this.#lasting());
  }

  /** Records that no journal object replaces. */
  #lasting(): Uint8Array[] {
    const { metas, sent, held, hash } = this.#memory;
    const records: JournalRecord[] = [
      ...[...metas.values()].map((meta): JournalRecord => ({ type: 'meta', meta })),
      ...[...sent].map(([fragment, number]): JournalRecord => ({ type: 'sent', sent: { fragment, number } })),
      ...held.map((one): JournalRecord => ({ type: 'held', held: one })),
      ...(hash ? [{ type: 'hash', hash } as const] : []),
    ];
    return records.map(encodeRecord);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(task);
    this.#queue = next.catch(() => undefined);
    return next;
  }
}
