import { EngineError } from '../../errors.ts';

/** A frame that breaks a rule of docs/engine-protocol.md: its sender cannot be trusted any more. */
export function wireFault(reason: string): EngineError {
  return new EngineError('VOST_WIRE', 'usage', reason);
}

/** Takes fields off a payload; whatever is not there is a {@link wireFault}. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** A view of the next `count` bytes. */
  take(count: number): Buffer {
    if (count > this.#bytes.byteLength - this.#at) throw wireFault('payload too short');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** Nothing may follow the last field. */
  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw wireFault('bytes after the last field');
  }
}

const FIRST_SPACE = 256;

/** Puts fields into a frame of at most `limit` bytes. */
export class WireWriter {
  readonly #limit: number;
  #bytes: Buffer = Buffer.alloc(FIRST_SPACE);
  #at = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Room for the next `count` bytes, zeroed. */
  give(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#limit) throw wireFault(`a frame may have ${this.#limit} bytes`);
    if (end > this.#bytes.byteLength) {
      const grown = Buffer.alloc(Math.min(this.#limit, Math.max(end, 2 * this.#bytes.byteLength)));
      this.#bytes.copy(grown, 0, 0, this.#at);
      this.#bytes = grown;
    }
    this.#at = end;
    return this.#bytes.subarray(end - count, end);
  }

  /** What was written. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}
