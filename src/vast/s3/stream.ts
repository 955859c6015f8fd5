import { unwrapSource, watchSource } from '../body.ts';
import type { Body, ObjectInfo, PartInfo, RequestOptions } from '../store.ts';
import type { S3Place } from './head.ts';
import { putObject } from './put.ts';
import { createS3Upload, discardUpload, type S3Upload } from './upload.ts';

/**
 * Sends a stream of unknown length with one buffer of one part: collect, send, collect again. Up to
 * one part becomes a PutObject; more become an upload, which is aborted when anything fails.
 */
class StreamSender {
  readonly #place: S3Place;
  readonly #key: string;
  readonly #options: RequestOptions;
  /** Not from Buffer's pool: a part must not keep other memory alive. */
  readonly #buffer: Buffer;
  #filled = 0;
  #sent = 0;
  #upload: S3Upload | undefined;
  readonly #parts: PartInfo[] = [];

  constructor(place: S3Place, key: string, options: RequestOptions) {
    this.#place = place;
    this.#key = key;
    this.#options = options;
    this.#buffer = Buffer.allocUnsafeSlow(place.sender.settings.streamPartBytes);
  }

  async send(source: AsyncIterable<Uint8Array>): Promise<ObjectInfo> {
    try {
      for await (const piece of watchSource(source, this.#options.signal)) await this.#add(piece);
      if (this.#upload === undefined) return await putObject(this.#place, this.#key, this.#body(), this.#options);
      if (this.#filled > 0) await this.#flush();
      return await this.#upload.complete(this.#parts, this.#options);
    } catch (error) {
      if (this.#upload !== undefined) await discardUpload(this.#upload);
      throw unwrapSource(error);
    }
  }

  #body(): Body {
    return [this.#buffer.subarray(0, this.#filled)];
  }

  async #add(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.byteLength; ) {
      if (this.#filled === this.#buffer.byteLength) await this.#flush();
      const take = Math.min(piece.byteLength - at, this.#buffer.byteLength - this.#filled);
      this.#buffer.set(piece.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
    }
  }

  async #flush(): Promise<void> {
    this.#upload ??= await createS3Upload(this.#place, this.#key, this.#options);
    const part = { number: this.#parts.length + 1, offset: this.#sent, body: this.#body(), size: this.#filled };
    this.#parts.push(await this.#upload.putPart(part, this.#options));
    this.#sent += this.#filled;
    this.#filled = 0;
  }
}

export async function putObjectStream(
  place: S3Place,
  key: string,
  source: AsyncIterable<Uint8Array>,
  options: RequestOptions,
): Promise<ObjectInfo> {
  return new StreamSender(place, key, options).send(source);
}
