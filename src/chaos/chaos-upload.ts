import type { ObjectInfo, PartBody, PartInfo, RequestOptions, Upload } from '../vast/store.ts';
import { flippedCopy, type StoreFaults } from './store-faults.ts';

/** An upload that meets faults. */
export class ChaosUpload implements Upload {
  readonly key: string;
  readonly id: string;
  readonly #inner: Upload;
  readonly #faults: StoreFaults;

  constructor(inner: Upload, faults: StoreFaults) {
    this.key = inner.key;
    this.id = inner.id;
    this.#inner = inner;
    this.#faults = faults;
  }

  putPart(part: PartBody, options: RequestOptions = {}): Promise<PartInfo> {
    const site = { operation: 'part', key: this.key, part: part.number, bytes: part.size } as const;
    return this.#faults.run(site, options, ({ corrupt }) => {
      const body = corrupt === undefined ? part.body : flippedCopy(part.body, corrupt);
      return this.#inner.putPart({ ...part, body }, options);
    });
  }

  listParts(options: RequestOptions = {}): Promise<PartInfo[]> {
    return this.#faults.run({ operation: 'list-parts', key: this.key }, options, () => this.#inner.listParts(options));
  }

  /** Tried again after a lost answer it finds its own object, as the stores do. */
  complete(parts: readonly PartInfo[], options: RequestOptions = {}): Promise<ObjectInfo> {
    let done: ObjectInfo | undefined;
    return this.#faults.run({ operation: 'complete', key: this.key }, options, async () => {
      done ??= await this.#inner.complete(parts, options);
      return done;
    });
  }

  abort(options: RequestOptions = {}): Promise<void> {
    return this.#faults.run({ operation: 'abort', key: this.key }, options, () => this.#inner.abort(options));
  }
}
