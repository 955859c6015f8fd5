import { s3Error } from '../s3-error.ts';

/** Reads lines and counted bytes from a stream of pieces, without joining pieces of data. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next line without its CR LF. Longer than `max` bytes, or cut off, is IncompleteBody. */
  async line(max: number): Promise<string> {
    let line = '';
    for (;;) {
      await this.#fill();
      const end = this.#piece.indexOf(0x0a);
      line += this.#piece.toString('latin1', 0, end < 0 ? this.#piece.length : end);
      this.#piece = this.#piece.subarray(end < 0 ? this.#piece.length : end + 1);
      if (line.length > max) throw s3Error('IncompleteBody', 'A chunk header or trailer is malformed.');
      if (end < 0) continue;
      if (!line.endsWith('\r')) throw s3Error('IncompleteBody', 'A chunk header or trailer is malformed.');
      return line.slice(0, -1);
    }
  }

  /** Exactly the next `count` bytes, in pieces as they come. */
  async *take(count: number): AsyncGenerator<Uint8Array> {
    let left = count;
    while (left > 0) {
      await this.#fill();
      const piece = this.#piece.subarray(0, left);
      this.#piece = this.#piece.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async #fill(): Promise<void> {
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) throw s3Error('IncompleteBody');
      this.#piece = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
  }
}
