import { createHash, randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SKETCH } from './sketch.js';

/** Images kept of each series. */
const IMAGES = 30;
/** Series kept; those written longest ago go first. */
const SERIES = 4096;
const MAX_FILE_BYTES = 64 * 1024;
const FILE = /^[0-9a-f]{32}\.json$/;

/**
 * @typedef {object} Past
 * @property {readonly import('./judge.js').Figures[]} images oldest first
 * @property {readonly number[]} sketch of the last one
 */

/** @type {Past} */
const NOTHING = { images: [], sketch: [] };

/**
 * What images are compared with one another: those of one client, policy and schedule in one LSU, and of these the data and NetBackup's small headers each with
 * their own kind (the letters at the end of `CLIENT_TIME_C1_F1`). Undefined for an image that nothing is known of.
 *
 * @param {import('vast-ost/stage').ImageInfo} image
 * @returns {readonly string[] | undefined}
 */
export function seriesOf({ lsu, name, policy, schedule, client }) {
  // What has the image's name in it is another for every image.
  const group = policy.includes(name) ? '' : policy;
  if (client === '' && group === '') return undefined;
  const kind = /_C[0-9]+_([A-Z]+)[0-9]*$/.exec(name)?.[1] ?? '';
  return [lsu, client, group, schedule, kind];
}

/** The history of one series: a small file in a folder of its own. */
export class History {
  #folder;
  #path;

  /**
   * @param {string} folder
   * @param {readonly string[]} series
   */
  constructor(folder, series) {
    this.#folder = folder;
    const name = createHash('sha256').update(JSON.stringify(series)).digest('hex').slice(0, 32);
    this.#path = join(folder, `${name}.json`);
  }

  /**
   * What there was; nothing, when the file is not there or is not ours.
   *
   * @returns {Promise<Past>}
   */
  async read() {
    try {
      if ((await stat(this.#path)).size > MAX_FILE_BYTES) return NOTHING;
      return pastOf(JSON.parse(await readFile(this.#path, 'utf8')));
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code === 'ENOENT' || error instanceof SyntaxError) return NOTHING;
      throw error;
    }
  }

  /**
   * Add an image. The file is the old one or the new one whatever happens.
   *
   * @param {Past} past
   * @param {import('./judge.js').Figures} image
   * @param {readonly number[]} sketch
   */
  async add({ images }, image, sketch) {
    const kept = { version: 1, images: [...images, image].slice(-IMAGES), sketch };
    const temporary = join(this.#folder, `.${randomBytes(8).toString('hex')}.new`);
    try {
      await using file = await open(temporary, 'wx', 0o640);
      await file.appendFile(JSON.stringify(kept));
      await file.sync();
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    if (images.length === 0) await this.#forget();
  }

  /** There is a new series: the oldest ones make room. */
  async #forget() {
    const names = (await readdir(this.#folder)).filter((name) => FILE.test(name));
    if (names.length <= SERIES) return;
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(this.#folder, name);
        return { path, written: (await stat(path)).mtimeMs };
      }),
    );
    files.sort((a, b) => a.written - b.written);
    for (const { path } of files.slice(0, files.length - SERIES)) await rm(path, { force: true });
  }
}

/**
 * @param {unknown} found
 * @returns {Past}
 */
function pastOf(found) {
  const { version, images, sketch } = /** @type {Record<string, unknown>} */ (found ?? {});
  if (version !== 1 || !Array.isArray(images) || !Array.isArray(sketch)) return NOTHING;
  const share = (/** @type {unknown} */ value, /** @type {number} */ most) =>
    typeof value === 'number' && value >= 0 && value <= most;
  const good =
    images.every(({ entropy, changed } = {}) => share(entropy, 8) && (changed === undefined || share(changed, 1))) &&
    sketch.length <= SKETCH &&
    sketch.every((digest, at) => Number.isSafeInteger(digest) && (at === 0 || digest > sketch[at - 1]));
  return good ? { images: images.slice(-IMAGES), sketch } : NOTHING;
}
