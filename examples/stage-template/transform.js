import { defineStage, StageError } from 'vast-ost/stage';

/**
 * What the configuration may say: `mask`, from 1 to 255. Written by hand; zod, Valibot or ArkType do as well.
 *
 * @type {import('vast-ost/stage').StandardSchema<{ mask: number }>}
 */
const optionsSchema = {
  '~standard': {
    version: 1,
    vendor: 'STAGE_NAME',
    validate: (value) => {
      const { mask = 90, ...others } = /** @type {Record<string, unknown>} */ (value);
      const [unknown] = Object.keys(others);
      if (unknown !== undefined) return { issues: [{ message: 'is not an option', path: [unknown] }] };
      if (typeof mask === 'number' && Number.isInteger(mask) && mask >= 1 && mask <= 255) return { value: { mask } };
      return { issues: [{ message: 'must be a whole number from 1 to 255', path: ['mask'] }] };
    },
  },
};

export default defineStage({
  kind: 'transform',
  name: 'STAGE_NAME',
  version: '1.0.0',
  apiVersion: 1,
  optionsSchema,
  deterministic: true,
  maxExpansion: { bytes: 1 },

  // The chunk's bytes under a mask, and behind them one byte that tells which.
  encode: (data, _chunk, { options: { mask } }) => {
    const stored = new Uint8Array(data.byteLength + 1);
    for (let at = 0; at < data.byteLength; at += 1) stored[at] = (data[at] ?? 0) ^ mask;
    stored[data.byteLength] = mask;
    return stored;
  },

  // What is stored may be damaged: what cannot be right is refused.
  decode: (data, chunk, { options: { mask } }) => {
    if (data.byteLength !== chunk.length + 1 || data[chunk.length] !== mask)
      throw new StageError('corrupt', `chunk ${chunk.index} was not written by this stage`);
    const bytes = data.subarray(0, chunk.length);
    for (let at = 0; at < bytes.byteLength; at += 1) bytes[at] = (bytes[at] ?? 0) ^ mask;
    return bytes;
  },
});
