import { EngineError } from '../errors.ts';
import { ByteBudget } from '../pipeline/byte-budget.ts';
import { type Lease, LeaseScope } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { StoredChunk } from '../stages/packer.ts';
import type { ObjectStore } from '../vast/store.ts';
import { decodePage, encodePage, MAX_PAGE_BYTES } from './index-page.ts';
import type { HeldRecord } from './journal-records.ts';
import type { ObjectNames } from './object-names.ts';

/**
 * Room in which held chunks come back, bytes, beside the budget and for all images together. The budget itself will not do: its last bytes may be
 * in the hands of the very chunk that completes the part, which then would wait for itself.
 */
const RESERVE_BYTES = 32 * 1024 * 1024;
const reserves = new WeakMap<Resources, ByteBudget>();

function reserveOf(resources: Resources): ByteBudget {
  const reserve = reserves.get(resources) ?? new ByteBudget(RESERVE_BYTES);
  reserves.set(resources, reserve);
  return reserve;
}

/** Chunks that were put away together. */
export interface HeldRun {
  readonly record: HeldRecord;
  readonly chunks: readonly StoredChunk[];
  /** Length of the page before the encoded bytes. */
  readonly pageBytes: number;
}

/**
 * Held objects: encoded chunks that are too few for a part, put into storage so that their slots can go on. An object is an index
 * page of the chunks and then their encoded bytes. It lives until the part that contains its chunks is stored.
 */
export class HeldChunks {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #resources: Resources;
  readonly #names: ObjectNames;
  readonly #scope = new LeaseScope();
  #number: number;

  /** @param last number of the last held object that is known of, 0 for none. */
  constructor(store: ObjectStore, prefix: string, resources: Resources, last: number, names: ObjectNames) {
    this.#names = names;
    this.#store = store;
    this.#prefix = prefix;
    this.#resources = resources;
    // One more: what a dead process had on its way may arrive under the next number.
    this.#number = last === 0 ? 0 : last + 1;
  }

  /** Whether there may be any in storage. */
  get any(): boolean {
    return this.#number > 0;
  }

  /** Store chunks. The journal must learn of the record before their slots go on. */
  async put(chunks: readonly StoredChunk[], pieces: readonly Uint8Array[], signal: AbortSignal): Promise<HeldRun> {
    const page = encodePage(chunks);
    const body = [page, ...pieces];
    const digest = await this.#resources.bridge.sha256(body);
    this.#number += 1;
    const number = this.#number;
    const { size: bytes } = await this.#store.put(this.#key(number), body, { signal });
    const record = { number, first: chunks[0]?.index ?? 0, count: chunks.length, bytes, digest };
    return { record, chunks, pageBytes: page.byteLength };
  }

  /** Take up what an earlier process left. Throws `integrity` when it is not what the journal says. */
  async open(record: HeldRecord, signal?: AbortSignal): Promise<HeldRun> {
    const where = this.#key(record.number);
    const bad = (): EngineError =>
      new EngineError('VOST_BAD_JOURNAL', 'integrity', `${where} is not what the journal says`);
    const header = Buffer.alloc(8);
    await this.#store.read(where, 0, header, { signal });
    const length = header.readUInt32LE(4);
    if (length > Math.min(MAX_PAGE_BYTES, record.bytes)) throw bad();
    const page = new Uint8Array(length);
    await this.#store.read(where, 0, page, { signal });
    const chunks = decodePage(page, where);
    const size = chunks.reduce((sum, { storedLength }) => sum + storedLength, 0);
    if (chunks[0]?.index !== record.first || chunks.length !== record.count || length + size !== record.bytes)
      throw bad();
    return { record, chunks, pageBytes: length };
  }

  /** Drop objects that are needed no more. What cannot be dropped goes with the image's other traces. */
  async drop(records: readonly HeldRecord[], signal?: AbortSignal): Promise<void> {
    if (records.length === 0) return;
    const keys = records.map(({ number }) => this.#key(number));
    await this.#store.delete(keys, { signal }).catch(() => undefined);
  }

  /** Get the encoded bytes of all runs back, in order. Waits for memory of its own, in which no other image's progress is tied up. */
  async load(
    runs: readonly HeldRun[],
    signal: AbortSignal,
  ): Promise<{ readonly pieces: readonly Uint8Array[]; readonly lease: Lease }> {
    const bytes = runs.reduce((sum, { record }) => sum + record.bytes, 0);
    const reserve = reserveOf(this.#resources);
    const lease = this.#scope.addTicket(await reserve.take(Math.min(bytes, reserve.total), signal));
    const pieces: Uint8Array[] = [];
    for (const run of runs) pieces.push(await this.#read(run, signal));
    return { pieces, lease };
  }

  /** Give back what is still loaded, when nobody uses it any more. */
  releaseAll(): void {
    this.#scope.releaseAll();
  }

  async #read({ record, pageBytes }: HeldRun, signal: AbortSignal): Promise<Uint8Array> {
    const where = this.#key(record.number);
    const object = new Uint8Array(record.bytes);
    await this.#store.read(where, 0, object, { signal });
    if (Buffer.compare(await this.#resources.bridge.sha256([object]), record.digest) !== 0)
      throw new EngineError('VOST_BAD_JOURNAL', 'integrity', `${where} changed while the image was being written`);
    return object.subarray(pageBytes);
  }

  #key(number: number): string {
    return `${this.#prefix}${this.#names.held(number)}`;
  }
}
