import type { IncomingMessage } from 'node:http';
import type { Payload } from '../auth/authenticate.ts';
import { decodeAwsChunked } from '../body/aws-chunked.ts';
import { s3Error } from '../s3-error.ts';

/**
 * The body of one request. Nothing is read, and no 100 Continue is sent, before the first call of
 * {@link RequestBody.pieces}: errors that the headers show are answered before the client sends.
 */
export class RequestBody {
  /** Trailing headers, there once all pieces were read. */
  readonly trailers = new Map<string, string>();
  readonly payload: Payload;
  readonly #request: IncomingMessage;
  readonly #begin: () => void;

  /** `begin` is called before the first byte is read: it sends 100 Continue to clients that wait for it. */
  constructor(request: IncomingMessage, payload: Payload, begin: () => void) {
    this.payload = payload;
    this.#request = request;
    this.#begin = begin;
  }

  /** Length after decoding, bytes; MissingContentLength when the headers do not say it. */
  length(): number {
    const name = this.payload.kind === 'aws-chunked' ? 'x-amz-decoded-content-length' : 'content-length';
    const value = this.#request.headers[name];
    if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) throw s3Error('MissingContentLength');
    return Number(value);
  }

  /** The decoded bytes. Call it once. */
  pieces(): AsyncIterable<Uint8Array> {
    this.#begin();
    // The request must outlive an early end of the loop: its socket still has to carry our answer.
    const raw: AsyncIterable<Uint8Array> = this.#request.iterator({ destroyOnReturn: false });
    if (this.payload.kind !== 'aws-chunked') return raw;
    const { signing, trailer } = this.payload;
    return decodeAwsChunked(raw, { signing, trailer, length: this.length(), trailers: this.trailers });
  }
}
