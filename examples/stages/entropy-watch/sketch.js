const LEAF = 32;
/** Bytes kept of a digest. */
const KEPT = 6;
/** Digests of a sketch. With 512 of them a share is right within some 5 %. */
export const SKETCH = 512;
/** A share of fewer of them says nothing: one that has changed would be a large one. */
const FEWEST = 8;
/** Behind this offset one digest of 16 is enough: that many MiBs have more than 512 among the lowest 16th. */
const DENSE_BYTES = 2 ** 34;
const SPARSE = 2 ** 32 / 16;

/**
 * The digests of a chunk's MiBs that may become part of a sketch, cut, in base64.
 *
 * @param {Uint8Array} leaves
 * @param {number} offset of the chunk in its image
 */
export function candidates(leaves, offset) {
  const digests = Buffer.from(leaves.buffer, leaves.byteOffset, leaves.byteLength);
  /** @type {Buffer[]} */
  const kept = [];
  for (let at = 0; at + LEAF <= digests.byteLength; at += LEAF)
    if (offset < DENSE_BYTES || digests.readUInt32BE(at) < SPARSE) kept.push(digests.subarray(at, at + KEPT));
  return Buffer.concat(kept).toString('base64');
}

/**
 * The lowest digests of an image, ascending and each once: a sample of its contents that is the same wherever they lie. Where two images have the same
 * MiB, their samples have it too.
 *
 * @param {Iterable<string>} parts what {@link candidates} gave
 * @returns {number[]}
 */
export function sketchOf(parts) {
  /** @type {Set<number>} */
  let lowest = new Set();
  const cut = () => new Set([...lowest].sort((a, b) => a - b).slice(0, SKETCH));
  for (const part of parts) {
    const bytes = Buffer.from(part, 'base64');
    for (let at = 0; at + KEPT <= bytes.byteLength; at += KEPT) lowest.add(bytes.readUIntBE(at, KEPT));
    if (lowest.size > 16 * SKETCH) lowest = cut();
  }
  return [...cut()];
}

/**
 * Share of an image's MiBs that the one before did not have, 0 to 1, estimated.
 *
 * @param {readonly number[]} now
 * @param {readonly number[]} before
 * @returns {number | undefined} undefined when there is nothing to compare
 */
export function changedShare(now, before) {
  // Above the highest digest of a sketch that is full, nothing is known.
  const end = Math.min(
    ...[now, before].map((one) => (one.length < SKETCH ? Number.POSITIVE_INFINITY : (one.at(-1) ?? 0))),
  );
  const known = new Set(before);
  const seen = now.filter((digest) => digest <= end);
  if (seen.length < FEWEST || before.length < FEWEST) return undefined;
  return seen.filter((digest) => !known.has(digest)).length / seen.length;
}
