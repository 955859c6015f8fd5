import { EngineError } from '../errors.ts';
import type { Part } from '../stages/packer.ts';
import type { ObjectStore, PartInfo, Upload } from '../vast/store.ts';
import { fragmentName } from './names.ts';

/** A finished fragment as the manifest names it. */
export interface FragmentSummary {
  readonly name: string;
  readonly size: number;
}

interface Fragment {
  upload: Promise<Upload> | undefined;
  readonly parts: PartInfo[];
  /** Parts handed to us, acknowledged or not. */
  expected: number;
  size: number;
  /** Stored with one request instead of an upload. */
  whole: boolean;
}

/** Turns parts into fragments of one image: opens an upload per fragment, completes or drops them all. */
export class FragmentWriter {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #onUpload: (fragment: number, id: string) => Promise<void>;
  readonly #fragments = new Map<number, Fragment>();

  /**
   * @param prefix of the image's keys.
   * @param onUpload makes the upload known (in the pending record) before its first part is sent.
   */
  constructor(store: ObjectStore, prefix: string, onUpload: (fragment: number, id: string) => Promise<void>) {
    this.#store = store;
    this.#prefix = prefix;
    this.#onUpload = onUpload;
  }

  /** Store one part; resolves when storage has acknowledged it. */
  async store(part: Part, signal: AbortSignal): Promise<void> {
    let fragment = this.#fragments.get(part.fragment);
    if (fragment === undefined) {
      fragment = { upload: undefined, parts: [], expected: 0, size: 0, whole: part.whole };
      this.#fragments.set(part.fragment, fragment);
    }
    fragment.expected += 1;
    if (part.whole) {
      const info = await this.#store.put(this.#key(part.fragment), part.pieces, { signal });
      if (info.size !== part.size) throw this.#wrongSize(part.fragment, info.size, part.size);
    } else {
      fragment.upload ??= this.#begin(part.fragment, signal);
      const upload = await fragment.upload;
      const { number, offset, size, pieces } = part;
      fragment.parts.push(await upload.putPart({ number, offset, size, body: pieces }, { signal }));
    }
    fragment.size += part.size;
  }

  /** Publish every fragment. They are durable when this resolves. */
  async complete(signal: AbortSignal | undefined): Promise<FragmentSummary[]> {
    const numbers = [...this.#fragments.keys()].sort((a, b) => a - b);
    return Promise.all(
      numbers.map(async (number) => {
        const { upload, parts, expected, size, whole } = this.#fragments.get(number) as Fragment;
        if (!whole) {
          parts.sort((a, b) => a.number - b.number);
          const gap = parts.findIndex((part, at) => part.number !== at + 1);
          if (gap >= 0 || parts.length !== expected)
            throw new EngineError(
              'VOST_LOST_PART',
              'internal',
              `${parts.length} of ${expected} parts of ${fragmentName(number)} were acknowledged`,
            );
          const info = await (await (upload as Promise<Upload>)).complete(parts, { signal });
          if (info.size !== size) throw this.#wrongSize(number, info.size, size);
        }
        return { name: fragmentName(number), size };
      }),
    );
  }

  /**
   * Drop all uploads and, unless `uploadsOnly`, the fragments published so far. Resolves to the errors met; what could not be dropped is
   * garbage that gc names.
   */
  async abort(uploadsOnly: boolean): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (const [number, { upload, whole }] of this.#fragments) {
      try {
        if (!whole) await (await upload)?.abort();
        if (!uploadsOnly) await this.#store.delete([this.#key(number)]);
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  async #begin(fragment: number, signal: AbortSignal): Promise<Upload> {
    const upload = await this.#store.createUpload(this.#key(fragment), { signal });
    try {
      await this.#onUpload(fragment, upload.id);
    } catch (error) {
      await upload.abort().catch(() => undefined);
      throw error;
    }
    return upload;
  }

  #key(fragment: number): string {
    return `${this.#prefix}${fragmentName(fragment)}`;
  }

  #wrongSize(fragment: number, stored: number, sent: number): EngineError {
    const message = `${this.#key(fragment)} was stored with ${stored} bytes instead of ${sent}`;
    return new EngineError('VOST_STORED_SIZE', 'integrity', message, { details: { lsu: this.#store.lsu } });
  }
}
