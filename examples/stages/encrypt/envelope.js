import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { StageError } from 'vast-ost/stage';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = 'vast-ost-stage-encrypt/1';

/**
 * What is recorded of an image: its own key under the one that `key` names, and who it was when it was written. All of it is authenticated.
 *
 * @typedef {object} Envelope
 * @property {1} version
 * @property {string} key id of the key that the image's own one is wrapped with
 * @property {string} image 16 random bytes that no other image has, in hexadecimal
 * @property {string} salt 32 random bytes, in hexadecimal
 * @property {string} wrapped nonce, the image's own key encrypted, and tag, in base64
 * @property {string} name of the image
 * @property {string} date of the image
 */

/**
 * What the calls for one image share.
 *
 * @typedef {object} ImageKeys
 * @property {Uint8Array} image
 * @property {Uint8Array} chunks key of its chunks
 * @property {Uint8Array} seal key of its seal
 */

/**
 * A key for one purpose.
 *
 * @param {Uint8Array} key
 * @param {Uint8Array} salt
 * @param {string} purpose
 */
const derive = (key, salt, purpose) => new Uint8Array(hkdfSync('sha256', key, salt, `${FORMAT} ${purpose}`, KEY_BYTES));

/**
 * @param {Omit<Envelope, 'wrapped'>} about
 * @param {string} identity
 */
const authenticated = ({ version, key, image, salt, name, date }, identity) =>
  Buffer.from(JSON.stringify([FORMAT, version, key, image, salt, name, date, identity]));

/**
 * Make a key for a new image.
 *
 * @param {Uint8Array} key
 * @param {string} id
 * @param {{ readonly name: string, readonly date: string }} written
 * @param {string} identity the option, which must not be changed later either
 * @returns {Envelope}
 */
export function makeEnvelope(key, id, { name, date }, identity) {
  const salt = randomBytes(KEY_BYTES);
  const about = /** @type {const} */ ({
    version: 1,
    key: id,
    image: randomBytes(16).toString('hex'),
    salt: salt.toString('hex'),
    name,
    date,
  });
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, derive(key, salt, 'wrap'), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(authenticated(about, identity));
  const sealed = [nonce, cipher.update(randomBytes(KEY_BYTES)), cipher.final(), cipher.getAuthTag()];
  return { ...about, wrapped: Buffer.concat(sealed).toString('base64') };
}

/**
 * Check that what a manifest says has the form of an envelope.
 *
 * @param {Readonly<Record<string, unknown>>} found
 * @returns {Envelope}
 */
export function checkEnvelope(found) {
  const { version, key, image, salt, wrapped, name, date } = found;
  const texts = [key, wrapped, name, date].every((text) => typeof text === 'string' && text.length <= 1024);
  const hex = /^[0-9a-f]{32}$/.test(String(image)) && /^[0-9a-f]{64}$/.test(String(salt));
  if (version === 1 && texts && hex) return /** @type {Envelope} */ (/** @type {unknown} */ (found));
  throw new StageError('corrupt', 'what the image says of its key is malformed');
}

/**
 * Get an image's keys out of its envelope.
 *
 * @param {Uint8Array} key
 * @param {Envelope} envelope
 * @param {string} identity
 * @returns {ImageKeys}
 */
export function openEnvelope(key, envelope, identity) {
  const wrapped = Buffer.from(envelope.wrapped, 'base64');
  const salt = Buffer.from(envelope.salt, 'hex');
  const image = Buffer.from(envelope.image, 'hex');
  if (wrapped.byteLength !== NONCE_BYTES + KEY_BYTES + TAG_BYTES)
    throw new StageError('corrupt', 'what the image says of its key is malformed');
  const wrapping = derive(key, salt, 'wrap');
  const cipher = createDecipheriv(CIPHER, wrapping, wrapped.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  cipher.setAAD(authenticated(envelope, identity));
  cipher.setAuthTag(wrapped.subarray(-TAG_BYTES));
  try {
    const own = Buffer.concat([cipher.update(wrapped.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()]);
    return { image, chunks: derive(own, image, 'chunks'), seal: derive(own, image, 'seal') };
  } catch {
    throw new StageError(
      'credentials',
      `the key ${envelope.key} does not open this image: it is not the key of that id that the image was written with, or the image's record was changed`,
    );
  }
}

/**
 * A code that nobody without the image's key can make.
 *
 * @param {ImageKeys} keys
 * @param {{ readonly size: number, readonly chunks: number }} totals
 */
function codeOf({ seal, image }, { size, chunks }) {
  return createHmac('sha256', seal)
    .update(JSON.stringify([FORMAT, Buffer.from(image).toString('hex'), size, chunks]))
    .digest();
}

/**
 * What is recorded of the image when it is whole.
 *
 * @param {ImageKeys} keys
 * @param {{ readonly size: number, readonly chunks: number }} totals
 */
export function sealOf(keys, { size, chunks }) {
  return { size, chunks, code: codeOf(keys, { size, chunks }).toString('base64') };
}

/**
 * Refuse an image that is not as long as it was when it was sealed.
 *
 * @param {ImageKeys} keys
 * @param {Readonly<Record<string, unknown>>} sealed
 * @param {number} size
 */
export function checkSeal(keys, sealed, size) {
  const { size: whole, chunks, code } = sealed;
  const found = Buffer.from(String(code), 'base64');
  const wanted = codeOf(keys, { size: Number(whole), chunks: Number(chunks) });
  if (found.byteLength !== wanted.byteLength || !timingSafeEqual(found, wanted))
    throw new StageError('corrupt', 'the seal of the image is missing, or was changed');
  if (whole !== size)
    throw new StageError(
      'corrupt',
      `the image has ${size} bytes, but ${whole} when it was written: it was cut, or joined`,
    );
}
