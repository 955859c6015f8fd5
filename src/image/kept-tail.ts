import { EngineError } from '../errors.ts';
import type { Lease } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { ObjectStore } from '../vast/store.ts';
import { numberOf } from './names.ts';
import type { ObjectNames } from './object-names.ts';
import type { HandleRecord } from './pending.ts';

type TailRecord = NonNullable<HandleRecord['tail']>;

/** The last, short chunk of an unfinished image, as the image has it, between one writer and the next. */
export class KeptTail {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #resources: Resources;
  readonly #names: ObjectNames;
  #record: TailRecord | undefined;
  #number: number;

  constructor(
    store: ObjectStore,
    prefix: string,
    resources: Resources,
    names: ObjectNames,
    record: TailRecord | undefined,
  ) {
    this.#names = names;
    this.#store = store;
    this.#prefix = prefix;
    this.#resources = resources;
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
    await this.#store.read(`${this.#prefix}${record.name}`, 0, bytes, { signal });
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

  /** Keep other bytes. The old ones stay in storage until the pending record names the new ones. */
  async put(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const sha256 = (await this.#resources.bridge.sha256([bytes])).toString('hex');
    this.#number += 1;
    const name = this.#names.tail(this.#number);
    await this.#store.put(`${this.#prefix}${name}`, [bytes], { signal });
    this.#record = { name, size: bytes.byteLength, sha256 };
  }

  /** Keep none: the chunk has become whole. */
  drop(): void {
    this.#record = undefined;
  }
}
