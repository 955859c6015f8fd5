import { createHash } from 'node:crypto';
import { DIGEST_BYTES } from '../bridge/bridge.ts';

/**
 * SHA-256 tree hash over leaf digests, as AWS published it for Glacier
 * (docs.aws.amazon.com/amazonglacier/latest/dev/checksum-calculations.html): neighbours are hashed in
 * pairs level by level, an odd one moves up unchanged. Adding leaves one by one keeps only one digest per
 * level, so an image of any size needs a few hundred bytes.
 */
export class TreeHash {
  /** Complete subtrees from left to right; their sizes are falling powers of two. */
  readonly #subtrees: { leaves: number; digest: Uint8Array }[] = [];

  /** Append leaf digests, 32 bytes each. */
  push(leaves: Uint8Array): this {
    for (let at = 0; at < leaves.byteLength; at += DIGEST_BYTES) {
      // A copy: slice() of a Buffer would be a view of the caller's memory.
      let node = { leaves: 1, digest: new Uint8Array(leaves.subarray(at, at + DIGEST_BYTES)) as Uint8Array };
      for (let left = this.#subtrees.at(-1); left?.leaves === node.leaves; left = this.#subtrees.at(-1)) {
        this.#subtrees.pop();
        node = { leaves: left.leaves * 2, digest: pair(left.digest, node.digest) };
      }
      this.#subtrees.push(node);
    }
    return this;
  }

  /** The root over everything pushed so far. No leaves: the SHA-256 of no bytes. */
  root(): Uint8Array {
    const last = this.#subtrees.at(-1);
    if (last === undefined) return createHash('sha256').digest();
    let digest = last.digest;
    for (let at = this.#subtrees.length - 2; at >= 0; at -= 1) {
      digest = pair((this.#subtrees[at] as { digest: Uint8Array }).digest, digest);
    }
    return digest;
  }
}

function pair(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(left).update(right).digest();
}
