import { EngineError } from '../errors.ts';
import type { Lease } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';
import { numberOf } from './names.ts';
import type { ObjectNames } from './object-names.ts';
import type { HandleRecord } from './pending.ts';
import type { TailCodec, TailPlace } from './tail-codec.ts';

type TailRecord = NonNullable<HandleRecord['tail']>;

/** Where it lies, and what it is called there. */
export interface KeptTailPlace {
  readonly store: ObjectStore;
  readonly prefix: string;
  readonly resources: Resources;
  readonly names: ObjectNames;
}

/** The last, short chunk of an unfinished image between one writer and the next. */
export class KeptTail {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #resources: Resources;
  readonly #names: ObjectNames;
  readonly #codec: TailCodec;
  readonly #chunkBytes: number;
  /** Number of the chunk. */
  #index: number;
  #record: TailRecord | undefined;
  #number: number;

  constructor(
    { store, prefix, resources, names }: KeptTailPlace,
    codec: TailCodec,
    { size, tail: record }: Pick<HandleRecord, 'size' | 'tail'>,
    chunkBytes: number,
  ) {
    this.#names = names;
    this.#store = store;
    this.#prefix = prefix;
    this.#resources = resources;
    this.#codec = codec;
    this.#chunkBytes = chunkBytes;
    this.#index = Math.floor(size / chunkBytes);
    this.#record = record;
    this.#number = record ? numberOf(record.name) : 0;
  }

  /** What the pending record should name. */
  get record(): TailRecord | undefined {
    return this.#record;
  }

  /** Bytes, 0 when there is none. */
  get size(): number {
    return this.#record?.size ?? 0;
  }

  /** Fill the beginning of `into`; resolves to how many bytes. Throws `integrity` when they are not what was kept. */
  async fill(into: Uint8Array, signal: AbortSignal): Promise<number> {
    const record = this.#record;
    if (record === undefined) return 0;
    if (into.byteLength < record.size) {
      const message = `${record.size} bytes do not fit where ${into.byteLength} have room`;
      throw new EngineError('VOST_RANGE', 'usage', message);
    }
    const bytes = into.subarray(0, record.size);
    const read = (from: Uint8Array) => this.#store.read(`${this.#prefix}${record.name}`, 0, from, { signal });
    if (this.#codec.transforms !== (record.stored !== undefined)) {
      const message = `${this.#prefix}${record.name} has not passed the stages that the image names`;
      throw new EngineError('VOST_CORRUPT', 'integrity', message);
    }
    if (record.stored === undefined) await read(bytes);
    else await this.#codec.decode(bytes, this.#place, record.stored, read, signal);
    if ((await this.#resources.bridge.sha256([bytes])).toString('hex') !== record.sha256) {
      const message = `${this.#store.lsu}/${this.#prefix}${record.name} is not what was kept: its SHA-256 differs`;
      throw new EngineError('VOST_CORRUPT', 'integrity', message);
    }
    return record.size;
  }

  /** The bytes in memory of our own. */
  async load(signal: AbortSignal): Promise<{ readonly bytes: Uint8Array; readonly lease: Lease }> {
    const lease = await this.#resources.budget.take(this.size, signal);
    try {
      const bytes = new Uint8Array(this.size);
      await this.fill(bytes, signal);
      return { bytes, lease };
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Keep other bytes, those of chunk `index`. The old ones stay in storage until the pending record names the new ones. */
  async put(index: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const sha256 = (await this.#resources.bridge.sha256([bytes])).toString('hex');
    this.#number += 1;
    const name = this.#names.tail(this.#number);
    this.#index = index;
    const { size: stored } = await this.#codec.encode(bytes, this.#place, signal, (pieces) =>
      this.#store.put(`${this.#prefix}${name}`, pieces, { signal }),
    );
    this.#record = { name, size: bytes.byteLength, sha256, ...(this.#codec.transforms ? { stored } : {}) };
  }

  get #place(): TailPlace {
    return { index: this.#index, offset: this.#index * this.#chunkBytes };
  }

  /** Keep none: the chunk has become whole. */
  drop(): void {
    this.#record = undefined;
  }
}
