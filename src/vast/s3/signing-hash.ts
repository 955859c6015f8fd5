import { createHash, createHmac, createSecretKey, type Hash, type Hmac, type KeyObject } from 'node:crypto';

type Bytes = string | ArrayBuffer | ArrayBufferView;

/** Keys of a day and their key objects; the SDK keeps the former. */
const keys = new WeakMap<ArrayBufferView | ArrayBuffer, KeyObject>();

function view(bytes: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}

/** What `createHmac` takes without looking at it for long. */
function keyOf(secret: Bytes): string | KeyObject {
  if (typeof secret === 'string') return secret;
  let key = keys.get(secret);
  if (key === undefined) {
    key = createSecretKey(view(secret));
    keys.set(secret, key);
  }
  return key;
}

/**
 * SHA-256, or its HMAC when there is a secret, as the SDK's signer wants it. The SDK's own hands each request's key to `createHmac` as bytes, and Node 24 finds
 * out that bytes are no key object by an exception: 25 to 100 µs of the event loop for each request, of 5.
 */
export class SigningHash {
  readonly digestLength = 32;
  readonly #secret: Bytes | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: Bytes) {
    this.#secret = secret;
    this.#hash = this.#begin();
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  /** Of what came since the beginning or the last {@link reset}; once. */
  async digest(): Promise<Uint8Array> {
    return view(this.#hash.digest());
  }

  reset(): void {
    this.#hash = this.#begin();
  }

  #begin(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', keyOf(this.#secret));
  }
}
