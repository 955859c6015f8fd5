import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { EngineError } from '../errors.ts';
import { badStage, STAGE_NAME } from './description.ts';

/** Where a stage's code is. */
export interface StagePackage {
  /** As it stands in the configuration. */
  readonly spec: string;
  /** Of the module to import. */
  readonly url: string;
  /** Of the package.json beside it; absent for a single file. */
  readonly declared?: { readonly name: string; readonly version: string };
}

/**
 * Find a stage by the name of its package, which must be installed in `folder`/node_modules, or by the path of its folder or
 * module. Nothing is searched for.
 *
 * @throws EngineError VOST_STAGE_LOAD (`usage`), VOST_STAGE_METADATA (`usage`)
 */
export async function findStage(spec: string, folder: string): Promise<StagePackage> {
  const path = isPath(spec) ? resolve(spec) : join(folder, 'node_modules', checkName(spec));
  const info = await stat(path).catch((cause: unknown) => {
    const advice = isPath(spec)
      ? 'name the folder of its package, or its module'
      : `install it as its maker says, with npm install --prefix ${folder}`;
    throw new EngineError('VOST_STAGE_LOAD', 'usage', `the stage ${spec} is not there: ${(cause as Error).message}`, {
      cause,
      advice,
    });
  });
  if (info.isFile()) return { spec, url: pathToFileURL(path).href };
  const about = await readPackage(spec, join(path, 'package.json'));
  const { name, version } = about;
  if (typeof name !== 'string' || typeof version !== 'string') throw badStage(spec, 'has no name and version');
  const entry = entryOf(about['exports']) ?? entryOf(about['main']) ?? './index.js';
  const file = resolve(path, entry);
  if (!file.startsWith(`${path}/`)) throw badStage(spec, `has its module outside of its folder: ${entry}`);
  return { spec, url: pathToFileURL(file).href, declared: { name, version } };
}

function isPath(spec: string): boolean {
  return isAbsolute(spec) || spec.startsWith('./') || spec.startsWith('../') || spec === '.';
}

function checkName(spec: string): string {
  if (STAGE_NAME.test(spec)) return spec;
  throw new EngineError('VOST_STAGE_LOAD', 'usage', `${JSON.stringify(spec)} names no stage`, {
    advice: 'write vast-ost-stage-NAME, @scope/vast-ost-stage-NAME, or a path that begins with / or ./',
  });
}

async function readPackage(spec: string, file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const about: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof about === 'object' && about !== null) return about as Record<string, unknown>;
  } catch (cause) {
    throw new EngineError('VOST_STAGE_LOAD', 'usage', `the stage ${spec} has no package.json that can be read`, {
      cause,
      advice: `look at ${file}`,
    });
  }
  throw badStage(spec, 'has a package.json that is no object');
}

/** The module that `exports` or `main` names for `import`. */
function entryOf(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports;
  if (typeof exports !== 'object' || exports === null) return undefined;
  const fields = exports as Readonly<Record<string, unknown>>;
  for (const key of ['.', 'node', 'import', 'module-sync', 'default']) {
    const entry = entryOf(fields[key]);
    if (entry !== undefined) return entry;
  }
  return undefined;
}
