import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { FailureClass } from '../../src/errors.ts';
import { refusal } from '../support/refusal.ts';
import { fixture, general, load } from './support.ts';

const good = `kind: 'transform', name: 'vast-ost-stage-x', version: '1.0.0', apiVersion: 1,
  encode: (data) => data, decode: (data) => data`;

const stageWith = (more: string): string => `export default { ${good}, ${more} };`;

async function refuses(t: Test, config: string, failure: FailureClass, code: string, message: RegExp): Promise<void> {
  await t.rejects(load(t, config).then(), refusal(failure, { code: `VOST_STAGE_${code}`, message }), String(message));
}

/** Modules that are no stages, and what is said of them. */
const MODULES: Readonly<Record<string, readonly [text: string, failure: FailureClass, code: string, message: RegExp]>> =
  {
    syntax: ['export default {', 'usage', 'LOAD', /cannot be loaded: Unexpected end/],
    throws: ['throw new Error("not today");', 'usage', 'LOAD', /cannot be loaded: not today/],
    exits: ['process.exit(7);', 'internal', 'CRASHED', /ended with code 7/],
    empty: ['export const x = 1;', 'usage', 'LOAD', /its default export is no stage/],
    import: ["import 'vast-ost-nowhere';", 'usage', 'LOAD', /vast-ost-nowhere/],
    name: [stageWith("name: 'x'"), 'usage', 'METADATA', /name: must be vast-ost-stage-NAME/],
    version: [stageWith("version: '1.0'"), 'usage', 'METADATA', /version: must be a version such as/],
    future: [
      stageWith('apiVersion: 2'),
      'unsupported',
      'API',
      /made for version 2 of the stage interface; .* version 1/,
    ],
    kind: [stageWith("kind: 'filter'"), 'usage', 'METADATA', /kind: /],
    inverse: [stageWith('decode: undefined'), 'usage', 'METADATA', /is a transform without decode/],
    threads: [stageWith('concurrency: 17'), 'usage', 'METADATA', /concurrency: /],
    expansion: [stageWith('maxExpansion: { factor: 3 }'), 'usage', 'METADATA', /maxExpansion\.factor: /],
    reserved: [stageWith("secrets: { recorded: 'optional' }"), 'usage', 'METADATA', /secrets/],
  };

t.test('modules that are no stages', async (t) => {
  const dir = t.testdir(Object.fromEntries(Object.entries(MODULES).map(([name, [text]]) => [`${name}.mjs`, text])));
  for (const [name, [, failure, code, message]] of Object.entries(MODULES))
    await refuses(t, general(`${dir}/${name}.mjs`), failure, code, message);
});

t.test('packages: by name and by path, their entries, what they say of themselves', async (t) => {
  const dir = t.testdir({ node_modules: { '@acme': {} } });
  const make = (folder: string, about: object | string, module = `export default { ${good} };`): string => {
    const path = join(dir, folder);
    mkdirSync(join(path, 'lib'), { recursive: true });
    writeFileSync(join(path, 'package.json'), typeof about === 'string' ? about : JSON.stringify(about));
    writeFileSync(join(path, 'lib/stage.js'), module);
    return path;
  };
  const about = { name: 'vast-ost-stage-x', version: '1.0.0', type: 'module' };
  for (const [folder, entry] of [
    ['main', { main: './lib/stage.js' }],
    ['exports', { exports: './lib/stage.js', main: './nothing.js' }],
    ['conditions', { exports: { '.': { types: './x.d.ts', import: './lib/stage.js' } } }],
  ] as const) {
    const { chain } = await load(t, general(make(folder, { ...about, ...entry })));
    t.equal(chain.transforms[0]?.record.name, 'vast-ost-stage-x');
  }
  symlinkSync(join(dir, 'main'), join(dir, 'node_modules/vast-ost-stage-x'));
  const { chain } = await load(t, `[general]\nstage_dir = ${dir}\nstages = vast-ost-stage-x`);
  t.equal(chain.transforms.length, 1);
  await refuses(t, `[general]\nstage_dir = ${dir}\nstages = vast-ost-stage-y`, 'usage', 'LOAD', /is not there/);
  await refuses(t, general('zstd'), 'usage', 'LOAD', /"zstd" names no stage/);
  await refuses(t, general(make('broken', '{')), 'usage', 'LOAD', /no package\.json that can be read/);
  await refuses(t, general(make('array', '[]')), 'usage', 'METADATA', /no name and version/);
  const outside = make('outside', { ...about, main: '../main/lib/stage.js' });
  await refuses(t, general(outside), 'usage', 'METADATA', /outside of its folder/);
  const older = make('older', { ...about, version: '0.9.0', main: './lib/stage.js' });
  await refuses(t, general(older), 'usage', 'METADATA', /calls itself .*1\.0\.0, but its package\.json says .*0\.9\.0/);
  const twice = `${dir}/main ${dir}/exports`;
  await refuses(t, general(twice), 'usage', 'TWICE', /main and .*exports are both the stage vast-ost-stage-x/);
});

t.test('a stage has no keys of the engine’s, and what it prints is not lost', async (t) => {
  process.env['VOST_CANARY'] = 'canary';
  const dir = t.testdir({
    'x.mjs': `console.log('seen', process.env.VOST_CANARY, typeof process.env.PATH);\nexport default { ${good} };`,
  });
  const { output } = await load(t, general(`${dir}/x.mjs`));
  delete process.env['VOST_CANARY'];
  t.match(output.join(''), /seen undefined string/);
});

t.test('options and secrets', async (t) => {
  await refuses(t, general(`${fixture('xor')}:mask=0`), 'usage', 'OPTIONS', /mask: must be a number from 1 to 255/);
  await refuses(t, general(`${fixture('watch')}:level=1`), 'usage', 'OPTIONS', /it has no option level/);
  const plain = await load(t, general(`${fixture('xor')}:key=hunter2`)).catch((error: Error) => error);
  t.match(plain, { code: 'VOST_STAGE_SECRET', message: /the secret key must not stand in the configuration/ });
  t.notMatch(plain, { message: /hunter2/ });
});
