import { setImmediate as tick } from 'node:timers/promises';
import { checkPart, checkParts, checkSignal } from '../body.ts';
import type { ObjectInfo, PartBody, PartInfo, RequestOptions, StoreLimits, Upload } from '../store.ts';
import { noSuchUpload } from '../store-errors.ts';
import type { MemoryRetention } from './retention.ts';
import { type MemoryLsu, type MemoryUpload, nextMarker } from './state.ts';

/** An upload whose parts wait in memory. */
export class MemoryStoreUpload implements Upload {
  readonly key: string;
  readonly id: string;
  readonly #lsu: string;
  readonly #data: MemoryLsu;
  readonly #limits: StoreLimits;
  readonly #retention: MemoryRetention | undefined;

  constructor(
    lsu: string,
    data: MemoryLsu,
    limits: StoreLimits,
    { key, id, retention }: { key: string; id: string; retention: MemoryRetention | undefined },
  ) {
    this.key = key;
    this.id = id;
    this.#retention = retention;
    this.#lsu = lsu;
    this.#data = data;
    this.#limits = limits;
  }

  #upload(): MemoryUpload {
    const upload = this.#data.uploads.get(this.id);
    if (upload === undefined || upload.key !== this.key) throw noSuchUpload(this.#lsu, this.key, this.id);
    return upload;
  }

  async putPart(part: PartBody, options: RequestOptions = {}): Promise<PartInfo> {
    checkPart(part, this.#limits);
    checkSignal(options.signal);
    const bytes = Buffer.concat(part.body);
    await tick();
    checkSignal(options.signal);
    const info = { number: part.number, size: part.size, etag: nextMarker() };
    this.#upload().parts.set(part.number, { info, bytes });
    return info;
  }

  async listParts(options: RequestOptions = {}): Promise<PartInfo[]> {
    checkSignal(options.signal);
    const parts = [...this.#upload().parts.values()].map((part) => part.info);
    return parts.sort((a, b) => a.number - b.number);
  }

  async complete(parts: readonly PartInfo[], options: RequestOptions = {}): Promise<ObjectInfo> {
    checkSignal(options.signal);
    const stored = await this.listParts();
    // From here on nothing comes between: an upload that was aborted meanwhile is gone.
    const upload = this.#upload();
    const size = checkParts(this.#lsu, this.key, parts, stored, this.#limits);
    const bytes = Buffer.concat(parts.map((part) => upload.parts.get(part.number)?.bytes ?? new Uint8Array()));
    const info = { key: this.key, size, modified: Date.now(), etag: nextMarker() };
    this.#retention?.check(this.key);
    this.#data.objects.set(this.key, { info, bytes });
    this.#data.uploads.delete(this.id);
    return info;
  }

  async abort(options: RequestOptions = {}): Promise<void> {
    checkSignal(options.signal);
    if (this.#data.uploads.get(this.id)?.key === this.key) this.#data.uploads.delete(this.id);
  }
}
