import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { defineStage, StageError } from 'vast-ost/stage';
import { optionsOf } from './options.js';

/** Higher ones take hundreds of MiB for each thread, for a little more than nothing. */
const MAX_LEVEL = 19;
/** What those levels may reach back, as a power of two; a frame that asks for more was not made here. */
const MAX_WINDOW_LOG = 24;

/** @type {import('vast-ost/stage').StandardSchema<{ level: number }>} */
const optionsSchema = optionsOf({
  level: (value = 3) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_LEVEL) return value;
    throw new Error(`must be a whole number from 1 to ${MAX_LEVEL}`);
  },
});

/** Each chunk becomes one frame of Zstandard with a checksum of its contents: `zstd -d` reads it as well. */
export default defineStage({
  kind: 'transform',
  name: '@vast-ost/vast-ost-stage-zstd',
  version: '1.0.0',
  apiVersion: 1,
  optionsSchema,
  deterministic: true,
  // What cannot be compressed is stored in blocks of 128 KiB with a header of 3 bytes each.
  maxExpansion: { factor: 1.0001, bytes: 256 },
  memoryMb: 512,

  encode: (data, { maxBytes }, { options: { level } }) =>
    zstdCompressSync(data, {
      // All of it goes into one piece of memory, of which only what is used is touched.
      chunkSize: Math.max(maxBytes, 64),
      params: {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
    }),

  // A few bytes may claim to be petabytes: no more is made of them than a chunk can be.
  decode: (data, { index, maxBytes }) => {
    try {
      return zstdDecompressSync(data, {
        chunkSize: Math.max(maxBytes, 64),
        maxOutputLength: maxBytes,
        params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
      });
    } catch (cause) {
      const said = /** @type {Error} */ (cause).message;
      throw new StageError('corrupt', `chunk ${index} is no frame of Zstandard that fits: ${said}`, { cause });
    }
  },
});
