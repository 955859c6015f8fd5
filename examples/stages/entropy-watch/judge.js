/** What always counts as usual: bits per byte, and a share. */
const LEAST = { entropy: 0.1, changed: 0.05 };

/**
 * @typedef {object} Figures
 * @property {number} entropy bits per byte, 0 to 8
 * @property {number | undefined} changed share of the image that the one before did not have
 */

/**
 * Shannon's entropy of some bytes, bits per byte.
 *
 * @param {Uint8Array} data
 */
export function entropyOf(data) {
  const counts = new Uint32Array(256);
  for (const byte of data) counts[byte] = (counts[byte] ?? 0) + 1;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= count * Math.log2(count / data.byteLength);
  return data.byteLength === 0 ? 0 : bits / data.byteLength;
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = [sorted[middle - 1 + (sorted.length % 2)], sorted[middle]];
  return (low + high) / 2;
}

/**
 * How far a value is from those before it, in units of what they usually differ by. Medians: a few images that were unusual themselves do not move it.
 *
 * @param {readonly number[]} before
 * @param {number} value
 * @param {number} least
 */
function distance(before, value, least) {
  const usual = median(before);
  const spread = 1.4826 * median(before.map((one) => Math.abs(one - usual)));
  return { usual, distance: (value - usual) / Math.max(spread, least) };
}

/**
 * What is unusual about an image, as sentences; none when it is as those before it, or when there are too few of them.
 *
 * @param {readonly Figures[]} before
 * @param {Figures} now
 * @param {{ readonly sensitivity: number, readonly learn: number }} options
 * @returns {string[]}
 */
export function unusual(before, now, { sensitivity, learn }) {
  /** @type {string[]} */
  const found = [];
  const entropies = before.map(({ entropy }) => entropy);
  if (entropies.length >= learn) {
    const { usual, distance: far } = distance(entropies, now.entropy, LEAST.entropy);
    if (Math.abs(far) > sensitivity)
      found.push(`its entropy is ${now.entropy.toFixed(2)} bits per byte where ${usual.toFixed(2)} are usual`);
  }
  const shares = before.flatMap(({ changed }) => (changed === undefined ? [] : [changed]));
  if (shares.length >= learn && now.changed !== undefined) {
    const { usual, distance: far } = distance(shares, now.changed, LEAST.changed);
    const percent = (/** @type {number} */ share) => `${Math.round(share * 100)} %`;
    // That nothing has changed is no news.
    if (far > sensitivity) found.push(`${percent(now.changed)} of it are new where ${percent(usual)} are usual`);
  }
  return found;
}
