import { EngineError } from '../errors.ts';
import type { Part } from '../stages/packer.ts';
import type { ObjectStore, PartInfo, Upload } from '../vast/store.ts';
import { type Claim, isUploadGone } from './claim.ts';
import { ObjectNames } from './object-names.ts';

/** A finished fragment as the manifest names it. */
export interface FragmentSummary {
  readonly name: string;
  readonly size: number;
}

interface Fragment {
  upload: Promise<Upload> | undefined;
  /** Acknowledged parts by number. */
  readonly parts: Map<number, PartInfo>;
  /** Parts handed to us, acknowledged or not. */
  expected: number;
  size: number;
  /** It is an object already: stored with one request, or its upload has been completed. */
  closed: boolean;
  /** It belongs to what an earlier writer of the image kept: never to be dropped. */
  readonly kept: boolean;
}

/** Turns parts into fragments of one image: opens an upload per fragment, completes or drops them all. */
export class FragmentWriter {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #names: ObjectNames;
  readonly #claim: Pick<Claim, 'addUpload' | 'confirm'>;
  readonly #fragments = new Map<number, Fragment>();
  readonly #restored = new Set<string>();

  /**
   * @param prefix of the image's keys.
   * @param claim learns of each upload before its first part is sent, and knows why one is gone.
   */
  constructor(
    store: ObjectStore,
    prefix: string,
    claim: Pick<Claim, 'addUpload' | 'confirm'>,
    names = new ObjectNames(),
  ) {
    this.#names = names;
    this.#store = store;
    this.#prefix = prefix;
    this.#claim = claim;
  }

  /** Take over a fragment that is finished. */
  restoreClosed(number: number, size: number, kept: boolean): void {
    this.#fragments.set(number, { upload: undefined, parts: new Map(), expected: 0, size, closed: true, kept });
  }

  /** Whether completing them would change what is in storage. */
  get open(): boolean {
    return [...this.#fragments.values()].some(({ closed }) => !closed);
  }

  /** Uploads that were taken over, by id. */
  get uploadIds(): ReadonlySet<string> {
    return this.#restored;
  }

  /** Take over an upload that another process began, with the parts that count. */
  restoreUpload(number: number, id: string, parts: readonly PartInfo[]): void {
    this.#restored.add(id);
    this.#fragments.set(number, {
      upload: Promise.resolve(this.#store.resumeUpload(this.#key(number), id)),
      parts: new Map(parts.map((part) => [part.number, part])),
      expected: parts.length,
      size: parts.reduce((sum, { size }) => sum + size, 0),
      closed: false,
      kept: false,
    });
  }

  /** Store one part; resolves when storage has acknowledged it. */
  async store(part: Part, signal: AbortSignal): Promise<void> {
    let fragment = this.#fragments.get(part.fragment);
    if (fragment === undefined) {
      fragment = { upload: undefined, parts: new Map(), expected: 0, size: 0, closed: part.whole, kept: false };
      this.#fragments.set(part.fragment, fragment);
    }
    const { number, offset, size, pieces } = part;
    fragment.expected += 1;
    if (part.whole) {
      const info = await this.#store.put(this.#key(part.fragment), pieces, { signal });
      if (info.size !== size) throw this.#wrongSize(part.fragment, info.size, size);
      fragment.parts.set(number, { number, size, etag: info.etag });
    } else {
      fragment.upload ??= this.#begin(part.fragment, signal);
      const upload = await fragment.upload;
      try {
        fragment.parts.set(number, await upload.putPart({ number, offset, size, body: pieces }, { signal }));
      } catch (error) {
        // Dropped by whoever took the image over: that is what is to be told.
        if (isUploadGone(error)) await this.#claim.confirm(signal);
        throw error;
      }
    }
    fragment.size += size;
  }

  /** What storage said about an acknowledged part. */
  part(fragment: number, number: number): PartInfo {
    const part = this.#fragments.get(fragment)?.parts.get(number);
    if (part === undefined) throw this.#lost(fragment);
    return part;
  }

  /** Publish every fragment. They are durable when this resolves. Going on after a failure is possible. */
  async complete(signal: AbortSignal | undefined): Promise<FragmentSummary[]> {
    const numbers = [...this.#fragments.keys()].sort((a, b) => a - b);
    return Promise.all(
      numbers.map(async (number) => {
        const fragment = this.#fragments.get(number) as Fragment;
        const { upload, expected, size } = fragment;
        if (!fragment.closed) {
          const parts = [...fragment.parts.values()].sort((a, b) => a.number - b.number);
          const gap = parts.findIndex((part, at) => part.number !== at + 1);
          if (gap >= 0 || parts.length !== expected) throw this.#lost(number);
          const info = await (await (upload as Promise<Upload>)).complete(parts, { signal });
          if (info.size !== size) throw this.#wrongSize(number, info.size, size);
          fragment.closed = true;
        }
        return { name: this.#names.fragment(number), size };
      }),
    );
  }

  /**
   * Drop all uploads and, unless `uploadsOnly`, the fragments published so far; nothing of what an earlier writer kept. Resolves to the errors
   * met; what could not be dropped is garbage that gc names.
   */
  async abort(uploadsOnly: boolean): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (const [number, { upload, kept }] of this.#fragments) {
      if (kept) continue;
      try {
        // One that could not be begun has nothing to abort.
        await (await upload?.catch(() => undefined))?.abort();
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
      await this.#claim.addUpload(fragment, upload.id);
    } catch (error) {
      await upload.abort().catch(() => undefined);
      throw error;
    }
    return upload;
  }

  #key(fragment: number): string {
    return `${this.#prefix}${this.#names.fragment(fragment)}`;
  }

  #lost(fragment: number): EngineError {
    const { parts, expected } = this.#fragments.get(fragment) ?? { parts: new Map(), expected: 0 };
    const message = `${parts.size} of ${expected} parts of ${this.#names.fragment(fragment)} were acknowledged`;
    return new EngineError('VOST_LOST_PART', 'internal', message);
  }

  #wrongSize(fragment: number, stored: number, sent: number): EngineError {
    const message = `${this.#key(fragment)} was stored with ${stored} bytes instead of ${sent}`;
    return new EngineError('VOST_STORED_SIZE', 'integrity', message, { details: { lsu: this.#store.lsu } });
  }
}
