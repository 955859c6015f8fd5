/** Where the body of an answer goes: straight into memory, while somebody waits for it. */
export class Receipt {
  #into: Uint8Array | undefined;
  #received = 0;
  #exceeded = false;

  constructor(into: Uint8Array) {
    this.#into = into;
  }

  /** Bytes that came. */
  get received(): number {
    return this.#received;
  }

  /** Whether more came than fits. */
  get exceeded(): boolean {
    return this.#exceeded;
  }

  /** Copies the next bytes. Returns false when they do not fit, or nobody waits any more. */
  add(bytes: Uint8Array): boolean {
    if (this.#into === undefined) return false;
    this.#exceeded ||= this.#received + bytes.byteLength > this.#into.byteLength;
    if (this.#exceeded) return false;
    this.#into.set(bytes, this.#received);
    this.#received += bytes.byteLength;
    return true;
  }

  /** The memory is not touched from here on. */
  end(): void {
    this.#into = undefined;
  }
}
