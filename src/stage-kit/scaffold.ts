import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../errors.ts';
import type { StageDescription } from '../vendor-stages/description.ts';
import { STAGE_NAME } from '../vendor-stages/description.ts';

/** Beside the sources as beside the built program. */
const TEMPLATES = new URL('../../examples/stage-template/', import.meta.url);

/** What is copied, from which template, to which file. */
const FILES = [
  ['package.json', 'package.json'],
  ['README.md', 'README.md'],
  ['tsconfig.json', 'tsconfig.json'],
  ['gitignore', '.gitignore'],
  ['ci.yml', '.github/workflows/test.yml'],
] as const;

/**
 * Make a new stage's package in a folder that does not exist or is empty. Resolves to the files, relative to it.
 *
 * @throws EngineError VOST_STAGE_NAME, VOST_STAGE_FOLDER (`usage`)
 */
export async function createStage(name: string, kind: StageDescription['kind'], folder: string): Promise<string[]> {
  if (!STAGE_NAME.test(name)) {
    throw new EngineError('VOST_STAGE_NAME', 'usage', `${JSON.stringify(name)} cannot be a stage's name`, {
      advice: 'call it vast-ost-stage-NAME or @scope/vast-ost-stage-NAME, in lower case letters, digits and hyphens',
    });
  }
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0) throw new EngineError('VOST_STAGE_FOLDER', 'usage', `${folder} is not empty`);
  const files = [...FILES, [`${kind}.js`, 'index.js'], [`${kind}.test.js`, 'test/stage.test.js']] as const;
  try {
    for (const [template, file] of files) {
      const path = join(folder, file);
      await mkdir(dirname(path), { recursive: true });
      const text = await readFile(new URL(template, TEMPLATES), 'utf8');
      await writeFile(path, text.replaceAll('STAGE_NAME', name), { flag: 'wx' });
    }
  } catch (cause) {
    throw new EngineError('VOST_STAGE_FOLDER', 'usage', `cannot write ${folder}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return files.map(([, file]) => file);
}
