import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import { StageError } from 'vast-ost/stage';

const CIPHER = 'aes-256-gcm';
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES;
/** Bytes that an encrypted chunk is longer. */
export const OVERHEAD = HEADER_BYTES + TAG_BYTES;
/** Worked on at once: it stays in the processor's cache. */
const STEP = 256 * 1024;

/**
 * What a chunk's tag covers beside its bytes: whose it is, and where it belongs.
 *
 * @param {import('./envelope.js').ImageKeys} keys
 * @param {import('vast-ost/stage').ChunkInfo} chunk
 */
function placeOf({ image }, { index, offset, length }) {
  const place = Buffer.alloc(1 + 16 + 24);
  place.writeUInt8(VERSION, 0);
  place.set(image, 1);
  place.writeBigUInt64LE(BigInt(index), 17);
  place.writeBigUInt64LE(BigInt(offset), 25);
  place.writeBigUInt64LE(BigInt(length), 33);
  return place;
}

/**
 * A version byte, a nonce, the bytes encrypted, and the tag. The nonce is random: a chunk may be encrypted twice, with other contents, when an image is
 * continued, so its number will not do; and each image has a key of its own, under which 2^32 random nonces would be safe.
 *
 * @param {import('./envelope.js').ImageKeys} keys
 * @param {Uint8Array} data
 * @param {import('vast-ost/stage').ChunkInfo} chunk
 * @returns {Uint8Array}
 */
export function encryptChunk(keys, data, chunk) {
  const stored = new Uint8Array(data.byteLength + OVERHEAD);
  stored[0] = VERSION;
  const nonce = randomFillSync(stored.subarray(1, HEADER_BYTES));
  const cipher = createCipheriv(CIPHER, keys.chunks, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(placeOf(keys, chunk));
  for (let at = 0; at < data.byteLength; at += STEP)
    stored.set(cipher.update(data.subarray(at, at + STEP)), HEADER_BYTES + at);
  cipher.final();
  stored.set(cipher.getAuthTag(), HEADER_BYTES + data.byteLength);
  return stored;
}

/**
 * The inverse, in place. Nothing is handed out before the tag has been compared.
 *
 * @param {import('./envelope.js').ImageKeys} keys
 * @param {Uint8Array} stored
 * @param {import('vast-ost/stage').ChunkInfo} chunk
 * @returns {Uint8Array}
 */
export function decryptChunk(keys, stored, chunk) {
  const { index, maxBytes } = chunk;
  const length = stored.byteLength - OVERHEAD;
  if (length < 0 || length > maxBytes || stored[0] !== VERSION)
    throw new StageError('corrupt', `chunk ${index} is not what this stage writes`);
  const nonce = stored.subarray(1, HEADER_BYTES);
  const data = stored.subarray(HEADER_BYTES, HEADER_BYTES + length);
  const cipher = createDecipheriv(CIPHER, keys.chunks, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(placeOf(keys, chunk));
  cipher.setAuthTag(stored.subarray(HEADER_BYTES + length));
  for (let at = 0; at < length; at += STEP) data.set(cipher.update(data.subarray(at, at + STEP)), at);
  try {
    cipher.final();
  } catch (cause) {
    const said = `chunk ${index} was changed, or belongs to another place or another image`;
    throw new StageError('corrupt', said, { cause });
  }
  return data;
}
