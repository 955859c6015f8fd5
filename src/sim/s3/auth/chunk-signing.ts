import { EMPTY_SHA256, type Scope, scopeText, sha256Hex, sign } from './signature.ts';

/** What signs the chunks of one aws-chunked body. */
export interface ChunkSigning {
  readonly key: Buffer;
  readonly amzDate: string;
  readonly scope: Scope;
  /** Signature of the request's headers: the first link of the chain. */
  readonly seed: string;
}

/**
 * The chain of chunk signatures: each covers the one before it (Amazon S3 API reference, "Signature calculations
 * for the authorization header: transferring payload in multiple chunks").
 */
export class ChunkSigner {
  readonly #signing: ChunkSigning;
  #previous: string;

  constructor(signing: ChunkSigning) {
    this.#signing = signing;
    this.#previous = signing.seed;
  }

  /** The signature of the next chunk; `digest` is the SHA-256 of its data, hexadecimal. */
  chunk(digest: string): string {
    return this.#next('AWS4-HMAC-SHA256-PAYLOAD', [EMPTY_SHA256, digest]);
  }

  /** The signature of the trailing headers, given as `name:value\n` lines. */
  trailer(lines: string): string {
    return this.#next('AWS4-HMAC-SHA256-TRAILER', [sha256Hex(lines)]);
  }

  #next(kind: string, digests: readonly string[]): string {
    const { key, amzDate, scope } = this.#signing;
    this.#previous = sign(key, [kind, amzDate, scopeText(scope), this.#previous, ...digests].join('\n'));
    return this.#previous;
  }
}
