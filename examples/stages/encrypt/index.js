import { defineStage, StageError } from 'vast-ost/stage';
import { decryptChunk, encryptChunk, OVERHEAD } from './chunks.js';
import { checkEnvelope, checkSeal, makeEnvelope, openEnvelope, sealOf } from './envelope.js';
import { readRing } from './key-ring.js';
import { optionsOf } from './options.js';

/** @type {import('vast-ost/stage').StandardSchema<{ key?: string | undefined, identity: 'any' | 'same' }>} */
const optionsSchema = optionsOf({
  key: (value) => {
    // Ids of digits alone arrive as numbers.
    if (value === undefined) return undefined;
    if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(String(value))) return String(value);
    throw new Error('must be the id of a key');
  },
  identity: (value = 'any') => {
    if (value === 'any' || value === 'same') return value;
    throw new Error('must be any or same');
  },
});

/** @param {import('vast-ost/stage').StageContext<unknown>} context */
function ringOf({ secrets: { keys } }) {
  if (keys === undefined) throw new StageError('credentials', 'there is no key ring');
  return readRing(keys);
}

/** Encrypts each chunk with AES-256-GCM, by a key of the image's own, which is recorded under a key of the key ring. */
export default defineStage({
  kind: 'transform',
  name: '@vast-ost/vast-ost-stage-encrypt',
  version: '1.0.0',
  apiVersion: 1,
  optionsSchema,
  secrets: { keys: 'required' },
  maxExpansion: { bytes: OVERHEAD },

  record: async (context) => {
    const { options, image } = context;
    const ring = ringOf(context);
    const id = options.key ?? ring.current;
    if (id === undefined)
      throw new StageError('credentials', 'no key is named: neither current in the key ring, nor key');
    return { ...makeEnvelope(await ring.key(id), id, image, options.identity) };
  },

  open: async (context) => {
    const { options, recorded, sealed, size, image, report } = context;
    const envelope = checkEnvelope(recorded);
    const keys = openEnvelope(await ringOf(context).key(envelope.key), envelope, options.identity);
    // Of an image that is being written nothing can be said yet.
    if (size === undefined) return keys;
    checkSeal(keys, sealed, size);
    if (image.name !== envelope.name || image.date !== envelope.date) {
      const text = `the image ${image.name} was written as ${envelope.name}`;
      if (options.identity === 'same') throw new StageError('corrupt', `${text}, and may have no other name`);
      report({ severity: 'info', text });
    }
    return keys;
  },

  encode: (data, chunk, _context, keys) => encryptChunk(keys, data, chunk),
  decode: (data, chunk, _context, keys) => decryptChunk(keys, data, chunk),
  seal: (totals, _context, keys) => sealOf(keys, totals),

  close: ({ chunks, seal }) => {
    chunks.fill(0);
    seal.fill(0);
  },
});
