import { rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { defineStage } from 'vast-ost/stage';
import { optionsOf } from './options.js';
import { chunkDigest, fileName, writeWhole } from './sidecar.js';

/** @type {import('vast-ost/stage').StandardSchema<{ folder: string }>} */
const optionsSchema = optionsOf({
  folder: (value) => {
    if (typeof value === 'string' && isAbsolute(value)) return value;
    throw new Error('must be the path of a folder, beginning with /');
  },
});

/**
 * The lines of a list: what image, a line for each chunk, and what there must be in all, so that a list that was cut is noticed.
 *
 * @param {import('vast-ost/stage').ImageInfo} image
 * @param {readonly import('vast-ost/stage').Observation<string>[]} found
 */
function* linesOf({ lsu, name, date, policy, schedule, client }, found) {
  const about = { lsu, name, date, policy, schedule, client };
  yield JSON.stringify({ format: 'vast-ost-digests', version: 1, algorithm: 'sha256-tree', ...about });
  let size = 0;
  for (const { chunk, result } of found) {
    yield `${chunk.offset} ${chunk.length} ${result}`;
    size += chunk.length;
  }
  yield JSON.stringify({ chunks: found.length, size });
}

/** Writes the digests of an image's chunks into a file of its own. */
export default defineStage({
  kind: 'observer',
  name: '@vast-ost/vast-ost-stage-digest-export',
  version: '1.0.0',
  apiVersion: 1,
  optionsSchema,
  // The digests are there already: of the bytes it needs nothing.
  sample: { pieces: 1, bytes: 1 },
  observe: (_data, _chunk, _context, leaves) => chunkDigest(leaves),
  finish: async (found, complete, { image, options: { folder }, report }) => {
    const path = join(folder, fileName(image));
    if (complete) {
      await writeWhole(path, linesOf(image, found));
      return;
    }
    // One of an earlier try would be taken for this image's.
    await rm(path, { force: true });
    const text = `no list of the digests of ${image.name}: not all of it passed through one process`;
    report({ severity: 'warning', text });
  },
});
