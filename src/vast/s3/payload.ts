import { Readable } from 'node:stream';
import { slices } from '../body.ts';
import type { Body } from '../store.ts';

/** Node encrypts slices of this size at half the cost of one huge write. */
const TLS_SLICE_BYTES = 256 * 1024;
const PLAIN_SLICE_BYTES = 4 * 1024 * 1024;

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bodies that are read slice by slice; nothing is copied, and an attempt makes its own. */
class BodyStream extends Readable {
  readonly #slices: Iterator<Uint8Array, undefined>;

  constructor(body: Body, sliceBytes: number) {
    super({ highWaterMark: sliceBytes });
    this.#slices = slices(body, sliceBytes);
  }

  override _read(): void {
    const next = this.#slices.next();
    this.push(next.done ? null : view(next.value));
  }
}

/** The body as the HTTP layer takes it. */
export function payloadOf(body: Body, tls: boolean): Buffer | Readable {
  const full = body.filter((piece) => piece.byteLength > 0);
  const [first = new Uint8Array(0)] = full;
  if (full.length <= 1 && (!tls || first.byteLength <= TLS_SLICE_BYTES)) return view(first);
  return new BodyStream(body, tls ? TLS_SLICE_BYTES : PLAIN_SLICE_BYTES);
}
