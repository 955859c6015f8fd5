import { createHash, randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const LEAF = 32;

/**
 * The tree hash of digests: joined in pairs, level by level; an odd one moves up as it is. It is how an image's own checksum is made
 * (docs/image-format.md), so a chunk's is that of its bytes alone.
 *
 * @param {readonly Uint8Array[]} digests
 * @returns {Uint8Array}
 */
export function treeHash(digests) {
  let level = digests;
  while (level.length > 1) {
    /** @type {Uint8Array[]} */
    const above = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at], level[at + 1]];
      if (left === undefined) break;
      above.push(right === undefined ? left : createHash('sha256').update(left).update(right).digest());
    }
    level = above;
  }
  return level[0] ?? createHash('sha256').digest();
}

/**
 * The digest of a chunk, from those of its MiBs.
 *
 * @param {Uint8Array} leaves
 * @returns {string}
 */
export function chunkDigest(leaves) {
  const digests = Array.from({ length: leaves.byteLength / LEAF }, (_, at) =>
    leaves.subarray(at * LEAF, (at + 1) * LEAF),
  );
  return Buffer.from(treeHash(digests)).toString('hex');
}

/**
 * Name of the file of an image: nothing of what its name may hold can lead out of the folder, and no two images share one.
 *
 * @param {import('vast-ost/stage').ImageInfo} image
 */
export function fileName({ lsu, name, date }) {
  const plain = (/** @type {string} */ text, /** @type {number} */ most) =>
    text.replace(/[^A-Za-z0-9=-]/g, '-').slice(0, most);
  const hash = createHash('sha256')
    .update(JSON.stringify([lsu, name, date]))
    .digest('hex')
    .slice(0, 16);
  return `${plain(lsu, 63)}_${plain(name, 96)}_${plain(date, 24)}_${hash}.digests`;
}

/**
 * Write a file that is whole or not there: beside it first, flushed, then renamed.
 *
 * @param {string} path
 * @param {Iterable<string>} lines
 */
export async function writeWhole(path, lines) {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.new`);
  try {
    await using file = await open(temporary, 'wx', 0o640);
    let gathered = '';
    for (const line of lines) {
      gathered += `${line}\n`;
      if (gathered.length < 65_536) continue;
      await file.appendFile(gathered);
      gathered = '';
    }
    await file.appendFile(gathered);
    await file.sync();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await using folder = await open(dirname(path), 'r');
  await folder.sync();
}
