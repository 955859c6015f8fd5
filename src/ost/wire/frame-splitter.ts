import { frameLength, HEADER_BYTES } from './frame.ts';

/** Cuts a byte stream into frames. Holds at most one incomplete frame, so at most 256 KiB beside what was just pushed. */
export class FrameSplitter {
  #pieces: Buffer[] = [];
  #size = 0;
  /** Bytes without which nothing can be done. */
  #needed = HEADER_BYTES;

  /** The frames that `data` completes. Each is a view that must be decoded before the next push. Throws a wire fault. */
  *push(data: Buffer): Generator<Buffer> {
    this.#pieces.push(data);
    this.#size += data.byteLength;
    if (this.#size < this.#needed) {
      // A copy: a few bytes must not keep a large read buffer alive.
      this.#pieces[this.#pieces.length - 1] = Buffer.from(data);
      return;
    }
    let bytes = this.#pieces.length === 1 ? data : Buffer.concat(this.#pieces, this.#size);
    this.#needed = HEADER_BYTES;
    while (bytes.byteLength >= HEADER_BYTES) {
      this.#needed = frameLength(bytes);
      if (bytes.byteLength < this.#needed) break;
      yield bytes.subarray(0, this.#needed);
      bytes = bytes.subarray(this.#needed);
      this.#needed = HEADER_BYTES;
    }
    this.#pieces = bytes.byteLength === 0 ? [] : [Buffer.from(bytes)];
    this.#size = bytes.byteLength;
  }
}
