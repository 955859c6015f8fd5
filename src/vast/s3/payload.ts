import { Readable } from 'node:stream';
import { slices } from '../body.ts';
import type { Body } from '../store.ts';
import { inTurn, TURN_BYTES } from './turns.ts';

/** Node encrypts slices of this size at half the cost of one huge write. */
const TLS_SLICE_BYTES = 256 * 1024;

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bodies that are read slice by slice; nothing is copied, and an attempt makes its own. */
class BodyStream extends Readable {
  readonly #slices: Iterator<Uint8Array, undefined>;
  readonly #tls: boolean;
  #next: IteratorResult<Uint8Array, undefined>;

  constructor(body: Body, tls: boolean) {
    const sliceBytes = tls ? TLS_SLICE_BYTES : TURN_BYTES;
    super({ highWaterMark: sliceBytes });
    this.#slices = slices(body, sliceBytes);
    this.#next = this.#slices.next();
    this.#tls = tls;
  }

  override _read(): void {
    // Encryption goes slowly enough to let others in between.
    if (this.#tls) this.#put();
    else inTurn(() => this.#put());
  }

  #put(): number {
    if (this.destroyed) return 0;
    const { value } = this.#next;
    this.#next = this.#slices.next();
    if (value !== undefined) this.push(view(value));
    // At once: the HTTP layer gives a connection up whose answer comes before it knows that the body has ended.
    if (this.#next.done) this.push(null);
    return value?.byteLength ?? 0;
  }
}

/** The body as the HTTP layer takes it. */
export function payloadOf(body: Body, tls: boolean): Buffer | Readable {
  const full = body.filter((piece) => piece.byteLength > 0);
  const [first = new Uint8Array(0)] = full;
  if (full.length <= 1 && first.byteLength <= TLS_SLICE_BYTES) return view(first);
  return new BodyStream(body, tls);
}
