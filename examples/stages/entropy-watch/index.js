import { isAbsolute } from 'node:path';
import { defineStage } from 'vast-ost/stage';
import { History, seriesOf } from './history.js';
import { entropyOf, unusual } from './judge.js';
import { optionsOf } from './options.js';
import { candidates, changedShare, sketchOf } from './sketch.js';

/**
 * @param {number} otherwise
 * @param {number} from
 * @param {number} to
 */
const number =
  (otherwise, from, to) =>
  (/** @type {unknown} */ value = otherwise) => {
    if (typeof value === 'number' && value >= from && value <= to) return value;
    throw new Error(`must be a number from ${from} to ${to}`);
  };

/** NetBackup's headers and the like are new every time, and no larger. */
const SMALLEST = 2 ** 20;

/** @type {import('vast-ost/stage').StandardSchema<{ folder: string, sensitivity: number, learn: number }>} */
const optionsSchema = optionsOf({
  folder: (value) => {
    if (typeof value === 'string' && isAbsolute(value)) return value;
    throw new Error('must be the path of a folder, beginning with /');
  },
  sensitivity: number(4, 1, 100),
  learn: number(5, 2, 30),
});

/** Compares each image with those before it of the same client, policy and schedule, and tells when it is unlike them. */
export default defineStage({
  kind: 'observer',
  name: '@vast-ost/vast-ost-stage-entropy-watch',
  version: '1.0.0',
  apiVersion: 1,
  optionsSchema,
  // One thread: two images of a series do not write its history at the same time.
  concurrency: 1,
  sample: { pieces: 64, bytes: 4096 },

  observe: (data, { offset }, _context, leaves) => ({
    entropy: Number(entropyOf(data).toFixed(4)),
    digests: candidates(leaves, offset),
  }),

  finish: async (found, complete, { image, options, report }) => {
    const series = seriesOf(image);
    const bytes = found.reduce((sum, { chunk }) => sum + chunk.length, 0);
    // Half an image, a very small one, or one of which nobody knows where it belongs, says nothing.
    if (!complete || series === undefined || bytes < SMALLEST) return;
    const history = new History(options.folder, series);
    const past = await history.read();
    const sketch = sketchOf(found.map(({ result }) => result.digests));
    const entropy = found.reduce((sum, { chunk, result }) => sum + result.entropy * chunk.length, 0) / bytes;
    const now = { entropy: Number(entropy.toFixed(4)), changed: changedShare(sketch, past.sketch) };
    const departures = unusual(past.images, now, options);
    const values = {
      entropy_bits: now.entropy,
      ...(now.changed === undefined ? {} : { changed_share: now.changed }),
      unusual: departures.length,
    };
    if (departures.length === 0) report({ severity: 'info', text: `${image.name} is as usual`, values });
    else
      report({
        severity: 'warning',
        text: `${image.name} is unlike the images before it: ${departures.join('; ')}`,
        values,
      });
    await history.add(past, now, sketch);
  },
});
